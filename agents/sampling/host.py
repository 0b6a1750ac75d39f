"""The machine and what the agent itself costs, from /proc."""

import os
import time
from collections import deque
from pathlib import Path

from profiles.observed.status import HostReading

COST_WINDOW_S = 10
MEMORY_EVERY = 10
"""Looks between two counts of our own memory, which makes the kernel walk all our pages."""


class Host:
    """Rates are since the look before, the agent's own since up to ten looks ago."""

    def __init__(self) -> None:
        self._cpu = _cpu_ticks()
        self._spent: deque[tuple[float, float]] = deque(maxlen=COST_WINDOW_S)
        self._child: int | None = None
        self._looks = 0
        self._memory_mib: float | None = None

    def read(self, child: int | None = None) -> HostReading:
        """`child` is the pid of the GPU reader, whose cost is ours."""
        memory = _memory_mib()
        if self._looks % MEMORY_EVERY == 0 or child != self._child:
            self._memory_mib = _own_memory_mib(child)
        self._looks += 1
        return HostReading(
            cores=os.cpu_count() or 1,
            memory_total_mib=memory["MemTotal"],
            cpu_ratio=self._cpu_ratio(),
            memory_used_mib=memory["MemTotal"] - memory["MemAvailable"],
            load_1m=os.getloadavg()[0],
            agent_cpu_ratio=self._agent_cpu_ratio(child),
            agent_memory_mib=self._memory_mib,
        )

    def _cpu_ratio(self) -> float | None:
        before, self._cpu = self._cpu, _cpu_ticks()
        busy, total = self._cpu[0] - before[0], self._cpu[1] - before[1]
        return round(max(0.0, busy / total), 3) if total > 0 else None

    def _agent_cpu_ratio(self, child: int | None) -> float | None:
        if child != self._child:
            self._spent.clear()  # another child's clock begins elsewhere
            self._child = child
        self._spent.append((time.monotonic(), time.process_time() + _spent_s(child)))
        (then_s, then_spent), (now_s, now_spent) = self._spent[0], self._spent[-1]
        return round(max(0.0, (now_spent - then_spent) / (now_s - then_s)), 4) if now_s > then_s else None


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all ticks since boot; waiting for a disk is not busy. Guests are counted in user already."""
    with Path("/proc/stat").open("rb") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _memory_mib() -> dict[str, int]:
    with Path("/proc/meminfo").open() as file:
        lines = (line.split() for line in file)
        return {words[0].rstrip(":"): int(words[1]) // 1024 for words in lines if words[0].startswith("Mem")}


def _spent_s(pid: int | None) -> float:
    """CPU time of the child, which has one thread; to the nanosecond, where /proc/PID/stat has 10 ms."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 if pid else 0.0
    except (OSError, IndexError):
        return 0.0


def _own_memory_mib(child: int | None) -> float | None:
    """Proportional set size: what would be free again without us. None where the kernel does not say."""
    sizes = [_pss_mib(str(pid)) for pid in ("self", child) if pid]
    return round(sum(size for size in sizes if size), 1) if sizes[0] is not None else None


def _pss_mib(pid: str) -> float | None:
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open() as file:
            return next((int(line.split()[1]) / 1024 for line in file if line.startswith("Pss:")), None)
    except OSError:
        return None
