"""Who the pids are that a driver lists: name and user, looked up once for each process."""

from agents.processes import tree, whois
from profiles.observed.status import GpuProcess


class Processes:
    """Remembers those seen since the last `forget_old`; a pid that was reused is looked up anew."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[str, str]] = {}
        self._seen: set[tuple[int, int]] = set()

    def describe(self, pid: int, memory_mib: int | None) -> GpuProcess:
        """Name and user stay empty for a process of another pid namespace."""
        found = tree.stat(pid)
        key = (pid, found.start_ticks if found else 0)
        self._seen.add(key)
        if key not in self._known:
            self._known[key] = _look_up(pid)
        name, user = self._known[key]
        return GpuProcess(pid=pid, name=name, user=user, memory_mib=memory_mib)

    def forget_old(self) -> None:
        self._known = {key: known for key, known in self._known.items() if key in self._seen}
        self._seen.clear()


def _look_up(pid: int) -> tuple[str, str]:
    return whois.name(pid), whois.user(pid)
