"""Parts of a command line that every adapter writes alike."""

from collections.abc import Iterable, Mapping

from engines.devices import Slice


def flags(values: Mapping[str, object]) -> tuple[str, ...]:
    """`--long-flag value` for each value; None leaves it out, a bool is `--flag` or `--no-flag`."""
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return tuple(words)


def visible_devices(slices: Iterable[Slice]) -> dict[str, str]:
    """CUDA_VISIBLE_DEVICES by UUID, because indexes change with a reboot; without a slice, no GPU at all."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(part.gpu_uuid for part in slices)}


def local_files(model: str) -> tuple[str, ...]:
    """The model itself where it names a local path rather than a hub's repository."""
    return (model,) if model.startswith(("/", "./", "../")) or model.endswith(".gguf") else ()
