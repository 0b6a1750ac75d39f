"""A model's files, whatever their format → Shape."""

from pathlib import Path

from engines import gguf, hfconfig
from engines.shape import Shape, UnreadableModel


def snapshot(hub: Path, name: str) -> Path | None:
    """Where a cache of Hugging Face's hub has `owner/model`; the newest of several revisions, None without one."""
    found = (hub / f"models--{name.replace('/', '--')}" / "snapshots").glob("*/")
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def read(path: Path) -> Shape:
    """A .gguf file, or a directory with config.json or one .gguf file. Raises UnreadableModel."""
    if path.is_file():
        return gguf.read(path)
    if not path.is_dir():
        raise UnreadableModel(f"{path} does not exist", "give a model's directory, or a .gguf file")
    if (path / "config.json").exists():
        return hfconfig.read(path)
    files = sorted(path.glob("*.gguf"))
    if len(files) == 1:
        return gguf.read(files[0])
    if files:
        raise UnreadableModel(f"{path} holds {len(files)} .gguf files", f"say which, as {files[0]}")
    raise UnreadableModel(f"{path} holds no config.json and no .gguf file", "give a model's directory")
