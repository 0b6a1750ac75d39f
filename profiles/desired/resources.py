"""What an engine may use of its host: as people write it, and as a node keeps it."""

import re

import msgspec

from profiles.text.units import size_mib

MEMORY, CPU_WEIGHT, CPUS = "memory", "cpu_weight", "cpus"

MIN_MEMORY_MIB = 16
"""Under which no engine's program even starts."""

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", re.ASCII)


class BadLimit(ValueError):
    """A limit that cannot be; `key` is its name."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance may use of its host; None does not limit. `cpus` is a list as the kernel writes it: `0-3,8`."""

    memory_mib: int | None = None
    cpu_weight: int | None = None
    cpus: str | None = None

    def named(self) -> tuple[str, ...]:
        """The limits that are set."""
        pairs = ((MEMORY, self.memory_mib), (CPU_WEIGHT, self.cpu_weight), (CPUS, self.cpus))
        return tuple(name for name, value in pairs if value is not None)

    def check(self) -> None:
        """Raises BadLimit for what no machine could hold."""
        if self.memory_mib is not None and self.memory_mib < MIN_MEMORY_MIB:
            message = f"{self.memory_mib}MiB of memory is too little for any engine"
            raise BadLimit(MEMORY, message, f"at least {MIN_MEMORY_MIB}MiB")
        if self.cpu_weight is not None and not 1 <= self.cpu_weight <= 10_000:
            message = f"`cpu_weight` must be 1 to 10000, not {self.cpu_weight}"
            raise BadLimit(CPU_WEIGHT, message, "100 is everyone's")
        if self.cpus is not None:
            cpu_set(self.cpus)


class ResourceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{memory: 64GiB, cpu_weight: 200, cpus: 0-7}`. A weight is a share among busy neighbours; 100 is everyone's."""

    memory: str | None = None
    cpu_weight: int | None = None
    cpus: str | int | None = None

    def limits(self) -> Limits:
        """Raises BadLimit; files are checked when they are loaded."""
        memory_mib = None if self.memory is None else size_mib(self.memory)
        if self.memory is not None and memory_mib is None:
            hint = "a whole number and MiB, GiB or TiB: `64GiB`"
            raise BadLimit(MEMORY, f"`{self.memory}` is no size", hint)
        cpus = None if self.cpus is None else cpu_list(cpu_set(str(self.cpus)))
        found = Limits(memory_mib=memory_mib, cpu_weight=self.cpu_weight, cpus=cpus)
        found.check()
        return found


def cpu_set(text: str) -> frozenset[int]:
    """`0-3,8` → {0, 1, 2, 3, 8}. Raises BadLimit."""
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise BadLimit(CPUS, f"`{text}` is no list of CPUs", "numbers and ranges: `0-7` or `0,2,4-6`")
        found.update(range(first, last + 1))
    return frozenset(found)


def cpu_list(cpus: frozenset[int]) -> str:
    """The shortest way to write it, which is the kernel's."""
    parts: list[str] = []
    for first in sorted(cpu for cpu in cpus if cpu - 1 not in cpus):
        last = first
        while last + 1 in cpus:
            last += 1
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)
