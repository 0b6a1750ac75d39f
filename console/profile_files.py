"""Where a profile is by its name: `profiles/NAME.yaml` beside the inventory."""

from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".yaml", ".yml")


def directory(inventory: Path) -> Path:
    """It need not exist."""
    return inventory.parent / "profiles"


def find(name: str, inventory: Path) -> Path | None:
    """The file of a profile; None where there is none."""
    found = (directory(inventory) / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def names(inventory: Path) -> Iterator[str]:
    """All that `find` finds, in order."""
    folder = directory(inventory)
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    yield from (path.stem for path in paths if path.suffix in SUFFIXES)
