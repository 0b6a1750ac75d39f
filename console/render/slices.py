"""Parts of GPUs in words: how much, who holds an instance to it, and what it has above it."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from console.render.table import Cell, Tone
from console.render.text import gib
from engines.devices import Enforcer, Slice
from profiles.gpu.memory import usage
from profiles.observed.status import GpuReading

_HELD = {
    Enforcer.MIG: "held by MIG",
    Enforcer.CGROUP: "held by the driver",
    Enforcer.MPS: "held by MPS",
    Enforcer.ENGINE_FLAG: "cooperative: the engine's own option",
    Enforcer.NONE: "cooperative: nobody holds it",
}


def amount(part: Slice) -> str:
    """`12.0 GiB`, `12.0 to 16.0 GiB, 30% of SMs`, `1g.10gb`; "" is all of it."""
    if part.mig is not None:
        return part.mig.profile
    if part.memory_mib is None:
        return ""
    limit = "" if part.memory_limit_mib is None else f" to {gib(part.memory_limit_mib)}"
    compute = "" if part.compute_percent is None else f", {part.compute_percent}% of SMs"
    return f"{gib(part.memory_mib)}{limit} GiB{compute}"


def enforcement(part: Slice) -> str:
    """Who holds it, as it is: a part that nobody holds is never shown as one that somebody does."""
    return _HELD[part.memory_enforcer]


def part_cell(slices: Sequence[Slice]) -> Cell:
    """Of each of its GPUs, which are alike; it sorts by memory."""
    if not slices:
        return Cell("")
    text = amount(msgspec.structs.replace(slices[0], memory_limit_mib=None, compute_percent=None))
    return Cell(text or "whole", slices[0].memory_mib, Tone.PLAIN if text else Tone.DIM)


def part_lines(name: str, slices: Iterable[Slice], gpus: Iterable[GpuReading]) -> Iterator[str]:
    """`gpu1: 12.0 to 16.0 GiB, cooperative: …; has 13.2, 1.2 of it reclaimable` for each part of a GPU."""
    readings = {gpu.uuid: gpu for gpu in gpus}
    for part in slices:
        if part.whole:
            continue
        found = usage(readings[part.gpu_uuid]) if part.gpu_uuid in readings else None
        has_mib = found.ours.get(name) if found else None
        used = "" if has_mib is None else f"; has {gib(has_mib)} GiB"
        above = 0 if has_mib is None or part.mig or part.memory_mib is None else has_mib - part.memory_mib
        over = f", {gib(above)} of it reclaimable" if above > 0 else ""
        yield f"gpu{part.gpu_index}: {amount(part)}, {enforcement(part)}{used}{over}"
