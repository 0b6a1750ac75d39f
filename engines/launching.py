"""Parts of a command line that every adapter writes alike."""

from collections.abc import Iterable, Mapping
from math import prod

import msgspec

from engines.devices import Slice


def flags(values: Mapping[str, object], *, negations: bool = True, dash: str = "-") -> tuple[str, ...]:
    """`--long-flag value` for each value, in its parser's ways; `dash` stands between the words of a flag.

    None and empty values leave it out, a bool is `--flag` or `--no-flag` (without `negations`, nothing), a sequence is
    as many words, a mapping one of JSON.
    """
    words: list[str] = []
    for name, value in values.items():
        flag = f"--{name.replace('_', dash)}"
        if value is None or value == () or value == {}:
            continue
        if isinstance(value, bool):
            words += [flag] if value else [f"--no-{flag[2:]}"] if negations else []
        else:
            words += [flag, *_words(value)]
    return tuple(words)


def _words(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [msgspec.json.encode(value, order="deterministic").decode()]
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)]


def options_given(options: msgspec.Struct, *, but: Iterable[str] = ()) -> dict[str, object]:
    """Name → value of every option, but for `program`, `extra_args` and those that an adapter writes in its own way."""
    left_out = {"program", "extra_args", *but}
    return {name: value for name, value in msgspec.structs.asdict(options).items() if name not in left_out}


def tensor_parallel(given: int | None, slices: Iterable[Slice], *others: int | None) -> int | None:
    """As `given`; else the GPUs that the `others`, pipeline stages or data replicas, leave each; None without GPUs."""
    gpus = len(tuple(slices))
    return given or (max(1, gpus // prod(other or 1 for other in others)) if gpus else None)


def visible_devices(slices: Iterable[Slice]) -> dict[str, str]:
    """CUDA_VISIBLE_DEVICES by UUID, because indexes change with a reboot; without a slice, no GPU at all.

    Where an engine counts GPUs all the same, it counts as NVML does and not by their speed (CUDA's own default).
    """
    uuids = ",".join(part.gpu_uuid for part in slices)
    return {"CUDA_VISIBLE_DEVICES": uuids, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def local_files(model: str) -> tuple[str, ...]:
    """The model itself where it names a local path rather than a hub's repository."""
    return (model,) if model.startswith(("/", "./", "../")) or model.endswith(".gguf") else ()


def named_files(pairs: Iterable[str]) -> tuple[str, ...]:
    """The absolute paths of `NAME=PATH` pairs, or of bare paths."""
    return tuple(path for pair in pairs if (path := pair.rpartition("=")[2]).startswith("/"))
