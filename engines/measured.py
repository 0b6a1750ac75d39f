"""What an engine says of its memory while it loads, beside what was estimated. Pure.

    a log line ──said──► Said ─┐ more_of over all lines
    launch + shape ──estimate──┴─compared──► Comparison ──► Taken, kept by engine, version, GPUs, model, options
                                                                 └─ correction_mib ──► the next estimate

Only the same parts are compared: what an engine does not say is not guessed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engines.base import Launch
from engines.launching import tensor_parallel
from engines.memory import KV_BYTES, Demand, Estimate, estimate
from engines.shape import Shape

DEFAULT_CONTEXT = 8192
_UNITS_MIB = {"gib": 1024.0, "mib": 1.0}
_PARTS = ("weights", "activations", "graphs")


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of the fullest of its GPUs, or of the host where it has none. None where the engine did not say."""

    weights_mib: float | None = None
    activations_mib: float | None = None
    graphs_mib: float | None = None
    fixed_mib: float | None = None
    """All but the KV cache, where it says only that."""
    kv_mib: float | None = None
    kv_tokens: int | None = None
    """That the cache has room for."""


class MemoryWords(msgspec.Struct, frozen=True, kw_only=True):
    """Where an engine says it, and which of its options decide it.

    `lines` are patterns whose groups name a field of Said with the line's unit: `weights_gib`, `kv_mib`, `kv_tokens`.
    `host_lines` are for an engine without a GPU, and `alone_lines` count whoever else is on the GPU: they are believed
    of one that has its GPUs for itself.
    """

    lines: tuple[re.Pattern[str], ...]
    host_lines: tuple[re.Pattern[str], ...] = ()
    alone_lines: tuple[re.Pattern[str], ...] = ()
    demand: Mapping[str, str]
    """Field of Demand → the option that sets it; `kv_bytes` by the name of a type."""
    defaults: Mapping[str, int] = {}
    """Of those fields, where the engine's own differ from Demand's."""
    eager: str = ""
    """The option that switches graphs off."""
    also: tuple[str, ...] = ()
    """More options by which the figures differ."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`parts` of both sums are the same: `weights`, `activations`, `graphs`, or `all but the KV cache`."""

    parts: tuple[str, ...]
    estimated_mib: int
    measured_mib: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """By one engine until it was ready. `compared` None had no files of the model to estimate from."""

    said: Said
    compared: Comparison | None = None
    at_unix_s: float = 0.0

    @property
    def correction_mib(self) -> int:
        return self.compared.measured_mib - self.compared.estimated_mib if self.compared else 0


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken, and under which circumstances. `gpus` are boards' names, with commas."""

    engine: str
    version: str
    gpus: str
    model: str
    options: dict[str, str]
    taken: Taken

    def kind(self) -> str:
        """The same one for a load under the same circumstances."""
        options = " ".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        return " | ".join((self.engine, self.version, self.gpus, self.model, options))


def said(line: str, launch: Launch, words: MemoryWords) -> Said | None:
    """None for a line that says nothing of memory."""
    whole = all(part.memory_mib is None or part.mig for part in launch.slices)
    patterns = (*(words.alone_lines if whole else ()), *words.lines) if launch.slices else words.host_lines
    for pattern in patterns:
        if found := pattern.search(line):
            return _said(found.groupdict())
    return None


def more_of(one: Said | None, other: Said | None) -> Said | None:
    """Each process of an engine speaks for itself: of two figures the larger one counts."""
    if one is None or other is None:
        return one or other
    pairs = zip(msgspec.structs.asdict(one).items(), msgspec.structs.asdict(other).values(), strict=True)
    return msgspec.convert(
        {name: max((value for value in (first, second) if value is not None), default=None)
         for (name, first), second in pairs}, Said,
    )  # fmt: skip


def options_of(launch: Launch, words: MemoryWords) -> dict[str, str]:
    """Those that decide its memory and are set, by name."""
    names = {*words.demand.values(), *words.also, *([words.eager] if words.eager else [])}
    values = {name: getattr(launch.options, name, None) for name in sorted(names)}
    return {name: str(value) for name, value in values.items() if value is not None}


def compared(shape: Shape, launch: Launch, words: MemoryWords, said: Said) -> Comparison | None:
    """None where the engine said nothing that was estimated."""
    found = estimate(shape, demand(shape, launch, words))
    if said.fixed_mib is not None:
        return Comparison(
            parts=("all but the KV cache",), estimated_mib=found.fixed_mib, measured_mib=math.ceil(said.fixed_mib)
        )
    told = {part: value for part in _PARTS if (value := getattr(said, f"{part}_mib")) is not None}
    if not told:
        return None
    guessed: int = sum(getattr(found, f"{part}_mib") for part in told)
    return Comparison(parts=tuple(told), estimated_mib=guessed, measured_mib=math.ceil(sum(told.values())))


def demand(shape: Shape, launch: Launch, words: MemoryWords) -> Demand:
    """How `launch` is run, as far as its options say."""
    options = launch.options
    values = {field: getattr(options, option, None) for field, option in words.demand.items()}
    kv_type = values.pop("kv_bytes", None)
    given: dict[str, Any] = {**words.defaults, **{name: one for name, one in values.items() if isinstance(one, int)}}
    stages = given.get("pipeline_parallel", 1)
    given["tensor_parallel"] = tensor_parallel(given.get("tensor_parallel"), launch.slices, stages) or 1
    given.setdefault("context", shape.context or DEFAULT_CONTEXT)
    graphs = bool(launch.slices) and not (words.eager and getattr(options, words.eager, None))
    return Demand(**given, kv_bytes=KV_BYTES.get(str(kv_type)), graphs=graphs)


def fitting(measurements: Sequence[Measurement], model: str, gpus: int) -> list[Measurement]:
    """Those with a comparison, of a model whose path or name ends as `model` does on as many GPUs; newest first."""
    name = _last(model)
    found = [
        one for one in measurements
        if one.taken.compared and _last(one.model) == name and len(one.gpus.split(", ")) == gpus
    ]  # fmt: skip
    return sorted(found, key=lambda one: -one.taken.at_unix_s)


def corrected(found: Estimate, measurement: Measurement) -> Estimate:
    return msgspec.structs.replace(found, correction_mib=measurement.taken.correction_mib)


def _last(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].lower()


def _said(groups: Mapping[str, str | None]) -> Said:
    found: dict[str, float | int] = {}
    for group, text in groups.items():
        if text is None:
            continue
        name, _, unit = group.rpartition("_")
        number = text.replace(",", "")
        if unit == "tokens":
            found[group] = int(number)
        else:  # a cache may be told in two halves
            name = {"k": "kv", "v": "kv"}.get(name, name)
            found[f"{name}_mib"] = found.get(f"{name}_mib", 0.0) + float(number) * _UNITS_MIB[unit]
    return msgspec.convert(found, Said)
