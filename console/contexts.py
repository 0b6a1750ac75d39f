"""`contexts.yaml`: several inventories by name, each with a theme of its own, and some that nothing is changed in.

gpuyard: 1
contexts:
  prod: {inventory: prod.yaml, theme: red, read_only: true}      # paths begin at this file's directory
  lab: {inventory: ~/lab/inventory.yaml}
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from console import inventory as inventories
from console.directories import config_directory
from console.inventory import Inventory
from profiles.text.conform import convert
from profiles.text.document import FileError
from profiles.text.yamltext import read

VERSION = 1
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,30}")


class ThemeName(StrEnum):
    YARD = "yard"
    RED = "red"
    """For where every key counts."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inventory: str
    theme: ThemeName = ThemeName.YARD
    read_only: bool = False


class ContextsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contexts: dict[str, Entry]
    gpuyard: int = VERSION


class Context(NamedTuple):
    """One cluster. `read_only` is of this console: it wins over whatever role its nodes give."""

    name: str
    inventory: Path
    theme: ThemeName
    read_only: bool


class Opened(NamedTuple):
    """What a console is opened on. `context` is None where the inventory was given itself."""

    inventory: Inventory
    path: Path
    context: Context | None = None


def usual() -> Path:
    return config_directory() / "contexts.yaml"


def load(path: Path) -> Mapping[str, Context]:
    """By name; none where there is no such file. Inventories are whole paths. Raises FileError."""
    if not path.exists():
        return {}
    document = read(path)
    file = convert(document, ContextsFile)
    if file.gpuyard != VERSION:
        hint = f"write `gpuyard: {VERSION}`, or upgrade gpuyard"
        raise document.error(("gpuyard",), f"version {file.gpuyard} of this file is not known", hint)
    for name in file.contexts:
        if not _NAME.fullmatch(name):
            hint = "letters, digits, `.`, `_` and `-`, at most 31"
            raise document.error(("contexts", name), f"`{name}` cannot name a context", hint, at_key=True)
    return {
        name: Context(name, path.parent / Path(one.inventory).expanduser(), one.theme, one.read_only)
        for name, one in file.contexts.items()
    }


def find(name: str, path: Path) -> Context:
    """Raises FileError, of the whole file where it has no such context."""
    known = load(path)
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"do you mean {close[0]}?" if close else f"there: {', '.join(known) or 'none'}"
        raise FileError(str(path), 0, 0, f"there is no context {name}", hint)
    return known[name]


def opened(name: str, path: Path) -> Opened:
    """Its inventory, read. Raises FileError."""
    context = find(name, path)
    return Opened(inventories.load(context.inventory), context.inventory, context)
