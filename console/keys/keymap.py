"""`keys.yaml`: other keys for bindings, by their ids, and which of them get into each other's way.

gpuyard: 1
keys:
  screen.filter: ctrl+f          # instead of the key that it has; several with a comma between them
  instance.act: x,f2
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import msgspec
from textual.binding import Binding
from textual.keys import Keys, format_key

from console.directories import config_directory
from console.keys.catalogue import Bound, ScreenKeys, ids, screens
from profiles.text.conform import convert
from profiles.text.document import Document
from profiles.text.yamltext import read

VERSION = 1
Keymap = Mapping[str, str]
"""Id of a binding → its keys, with a comma between them."""
USUAL: Keymap = {}
"""All keys as they ship."""

_NAMED = frozenset(key.value for key in Keys)
_SIGNS = frozenset(
    next(iter(Binding.make_bindings([Binding(chr(code), "")]))).key for code in range(33, 127) if chr(code) != ","
)
_MODIFIED = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(.+)")


class KeysFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bindings that have other keys. The ids are what `gpuyard keys` lists."""

    gpuyard: int = VERSION
    keys: dict[str, str] = {}


class Conflict(NamedTuple):
    """On a screen, two bindings want `key`: one of them cannot be reached by it."""

    screen: str
    key: str
    ids: tuple[str, str]

    @property
    def text(self) -> str:
        return f"{shown(self.key)} is both `{self.ids[0]}` and `{self.ids[1]}` on {self.screen}"


def usual() -> Path:
    return config_directory() / "keys.yaml"


def load(path: Path) -> Keymap:
    """Nothing where there is no such file. Raises FileError."""
    if not path.exists():
        return USUAL
    document = read(path)
    file = convert(document, KeysFile)
    if file.gpuyard != VERSION:
        hint = f"write `gpuyard: {VERSION}`, or upgrade gpuyard"
        raise document.error(("gpuyard",), f"version {file.gpuyard} of this file is not known", hint)
    known = ids()
    for name, keys in file.keys.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"do you mean `{close[0]}`?" if close else "`gpuyard keys` lists them"
            raise document.error(("keys", name), f"no binding is called `{name}`", hint, at_key=True)
        _check(document, name, keys)
    return {name: ",".join(normal(keys)) for name, keys in file.keys.items()}


def normal(keys: str) -> list[str]:
    """`/, f2` in Textual's words. Raises ValueError with what is no key."""
    found = []
    for word in keys.split(","):
        word = word.strip()
        if not word:
            raise ValueError("an empty key")
        key = next(iter(Binding.make_bindings([Binding(word, "")]))).key
        if not is_key(key):
            raise ValueError(f"`{word}` is no key")
        found.append(key)
    return found


def is_key(key: str) -> bool:
    """Whether a terminal can send it, by Textual's names."""
    match = _MODIFIED.fullmatch(key)
    return key in _NAMED or key in _SIGNS or bool(match and (match[1] in _NAMED or match[1] in _SIGNS))


def shown(key: str) -> str:
    """As a person writes it in the file: `?`, not `question_mark`."""
    sign = format_key(key)
    return sign if len(sign) == 1 and sign.isascii() and sign != "," else key


def remapped(screen: ScreenKeys, keymap: Keymap) -> ScreenKeys:
    """The bindings of a screen under `keymap`, in the same order."""
    done: set[str] = set()
    found: list[Bound] = []
    for one in screen.bindings:
        if one.id not in keymap:
            found.append(one)
        elif one.id not in done:
            done.add(one.id)
            found += [one._replace(key=key) for key in keymap[one.id].split(",")]
    return ScreenKeys(screen.name, tuple(found))


def conflicts(keymap: Keymap, shown: Iterable[ScreenKeys] | None = None) -> list[Conflict]:
    """What `keymap` brings about. That an inner binding hides an outer one as they ship is no conflict."""
    found = []
    for screen in screens() if shown is None else shown:
        by_design = _doubles(screen)
        found += [one for one in _doubles(remapped(screen, keymap)) if one not in by_design]
    return found


def _doubles(screen: ScreenKeys) -> list[Conflict]:
    owner: dict[str, str] = {}
    found = []
    for one in screen.bindings:
        before = owner.get(one.key, one.id)
        if before != one.id:
            found.append(Conflict(screen.name, one.key, (before, one.id)))
        owner[one.key] = one.id
    return found


def _check(document: Document, name: str, keys: str) -> None:
    try:
        normal(keys)
    except ValueError as error:
        hint = "a sign, `f5`, `ctrl+f`, `shift+up`; several with a comma between them, a comma itself is `comma`"
        raise document.error(("keys", name), str(error), hint) from None
