"""From a part of a GPU's memory to the engine's own option for it."""

from collections.abc import Mapping, Sequence

from engines.abilities import Fits
from engines.base import BadOptions, Engine
from engines.devices import Enforcer, Slice

CONTEXT_MIB = 600
"""What a CUDA context with its kernels and NCCL takes beside what an engine counts itself: 300–600 MiB are reported."""

NOTHING_KNOWN: Mapping[str, int] = {}
_STEPS = 10_000


def fitted(
    engine: Engine, options: Mapping[str, object], slices: Sequence[Slice], free_mib: Mapping[str, int] = NOTHING_KNOWN
) -> dict[str, object]:
    """`options`, with the engine's own for its memory where `slices` ask for some. Raises BadOptions."""
    parts = [part for part in slices if is_told(part)]
    if not parts or not isinstance(engine, Fits):
        return dict(options)
    check_free(engine, options)
    value = engine.fit(parts, free_mib)
    if value <= 0:
        least = min(part.memory_mib or 0 for part in parts)
        raise BadOptions(f"{least} MiB of GPU memory leave the engine nothing for a model", "ask for more")
    return {**options, engine.memory_options[0]: value}


def is_told(part: Slice) -> bool:
    """Whether the engine is to hold itself to it. A MIG device is all of the GPU that it sees."""
    return part.memory_mib is not None and part.mig is None and part.memory_enforcer is not Enforcer.NONE


def check_free(told: Fits, options: Mapping[str, object]) -> None:
    """Raises BadOptions where a person has set what `memory` or `portion` decides."""
    for name in told.memory_options:
        if name in options:
            hint = "leave it out; or write `enforce: none`, and only gpuyard's books follow `memory`"
            raise BadOptions(f"option `{name}`: follows from the memory that `gpus` asks for", hint, name)


def ratio_of_gpu(
    slices: Sequence[Slice], overhead_mib: int = CONTEXT_MIB, of_mib: Mapping[str, int] = NOTHING_KNOWN
) -> float:
    """The share of all of a GPU's memory, or of what `of_mib` says, rounded down to four digits: the least of all."""
    shares = [
        ((part.memory_limit_mib or part.memory_mib or 0) - overhead_mib) * _STEPS // whole_mib
        for part in slices if (whole_mib := of_mib.get(part.gpu_uuid, part.gpu_memory_mib))
    ]  # fmt: skip
    return min(min(shares, default=0) / _STEPS, 1.0)
