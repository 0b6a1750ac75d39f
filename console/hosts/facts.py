"""What a probe found on a host. Plain data, read from the lines of probe.sh; None and "" are unknown."""

from collections.abc import Iterable

import msgspec


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter. `suffix` is that of its extension modules, which names its implementation and ABI."""

    path: str
    version: tuple[int, ...]
    suffix: str = ""
    has_venv: bool = False
    has_ensurepip: bool = False

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def abi(self) -> str:
        """As wheels name it, `cp311` or `cp313t`; "" for another implementation than CPython."""
        head, _, rest = self.suffix.removeprefix(".").partition("-")
        number = rest.partition("-")[0]
        return f"cp{number}" if head == "cpython" and number else ""


class Libc(msgspec.Struct, frozen=True):
    """`kind` is glibc or musl."""

    kind: str
    version: tuple[int, int]

    @property
    def text(self) -> str:
        return f"{self.kind} {self.version[0]}.{self.version[1]}"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    uid: int
    user: str
    home: str
    system: str
    arch: str
    libc: Libc | None = None
    pythons: tuple[Python, ...] = ()
    missing: tuple[str, ...] = ()
    """Programs that an installation needs and that are not there."""
    sudo: bool = False
    systemd: frozenset[str] = frozenset()
    """`system` where it is the first process, `user` where it keeps services of this login."""
    lingers: bool = False
    has_cron: bool = False
    at_boot: bool = False
    """A crontab line starts the agent."""
    cgroup: bool = False
    """The login may make groups below its own."""
    driver: str = ""
    nvml: str = ""
    writable: bool = False
    free_mib: int | None = None
    filesystem: str = ""
    build: str = ""
    """The directory name of the build that is installed."""
    state: str
    state_exists: bool = False
    daemon_pid: int | None = None
    engines: int = 0
    unit: str = ""
    is_served: bool = False
    """The socket of root's agent is there."""

    @property
    def is_root(self) -> bool:
        return self.uid == 0


class BadAnswer(ValueError):
    """The probe said something else than a probe does."""


def read(lines: Iterable[tuple[str, str]]) -> Facts:
    """The facts in the answers of probe.sh. Raises BadAnswer."""
    said: dict[str, list[str]] = {}
    for key, value in lines:
        said.setdefault(key, []).append(value)
    if "end" not in said:
        raise BadAnswer("the probe did not come to its end")
    try:
        return _facts(said, {key: values[-1] for key, values in said.items()})
    except (KeyError, ValueError, IndexError) as error:
        raise BadAnswer(f"the probe's answer cannot be read: {error}") from None


def _facts(said: dict[str, list[str]], last: dict[str, str]) -> Facts:
    return Facts(
        uid=int(last["uid"]),
        user=last["user"],
        home=last["home"],
        system=last["system"],
        arch=last["arch"],
        libc=_libc(last.get("libc", "")),
        pythons=tuple(map(_python, said.get("python", ()))),
        missing=tuple(said.get("missing", ())),
        sudo="sudo" in last,
        systemd=frozenset(said.get("systemd", ())),
        lingers="linger" in last,
        has_cron="cron" in last,
        at_boot="at_boot" in last,
        cgroup="cgroup" in last,
        driver=last.get("driver", ""),
        nvml=last.get("nvml", ""),
        writable="writable" in last,
        free_mib=int(last["free_kib"]) // 1024 if "free_kib" in last else None,
        filesystem=last.get("filesystem", ""),
        build=last.get("build", ""),
        state=last["state"],
        state_exists="state_exists" in last,
        daemon_pid=int(last["daemon"]) if "daemon" in last else None,
        engines=int(last.get("engines", "0")),
        unit=last.get("unit", ""),
        is_served="served" in last,
    )


def _python(line: str) -> Python:
    version, suffix, venv, ensurepip, path = line.split(" ", 4)
    return Python(
        path=path,
        version=tuple(map(int, version.split("."))),
        suffix=suffix.removeprefix("-"),
        has_venv=venv == "1",
        has_ensurepip=ensurepip == "1",
    )


def _libc(line: str) -> Libc | None:
    kind, _, version = line.partition(" ")
    numbers = version.split(".")
    return Libc(kind, (int(numbers[0]), int(numbers[1]))) if len(numbers) > 1 else None
