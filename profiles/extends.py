"""One level of `extends`: a profile that says only how it differs from a file beside it. The files are composed before
anything is checked, and each value remembers which of them it stands in.

    base.yaml ─┐
    prod.yaml ─┴► composed ─► a Document that is complete: its text, too, needs no other file

Mappings are merged key by key; anything else replaces what the base has; `null` takes it out. `gpuyard` and `profile`
are each file's own: two profiles of one base are two profiles.
"""

import re
from pathlib import Path

from msgspec.structs import replace

from profiles.document import Document, FileError, Mark, Plain, Where
from profiles.written import written
from profiles.yamltext import read

EXTENDS = "extends"
_OWN = frozenset({"gpuyard", "profile"})
_BESIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml")


def read_profile(path: Path) -> Document:
    """The file at `path` with what it extends written in. Raises FileError."""
    document = read(path)
    name = document.data.get(EXTENDS) if isinstance(document.data, dict) else None
    if not isinstance(name, str):
        return document
    if not _BESIDE.fullmatch(name):
        raise document.error((EXTENDS,), f"`{name}` is no file beside this one", "its name alone: `base.yaml`")
    try:
        base = read(path.with_name(name))
    except FileError as error:
        if error.line:
            raise
        raise document.error((EXTENDS,), f"{name} {error.message}", error.hint) from None
    return composed(base, document)


def composed(base: Document, over: Document) -> Document:
    """`over` with everything of `base` that it does not say itself. Raises FileError where `base` is no base."""
    if not isinstance(base.data, dict) or not isinstance(over.data, dict):
        raise base.error((), "only a mapping (key: value) can be extended")
    if EXTENDS in base.data:
        hint = f"write what it needs of `{base.data[EXTENDS]}` into it"
        raise base.error((EXTENDS,), "what is extended extends nothing itself", hint, at_key=True)
    if base.data.get("gpuyard") != over.data.get("gpuyard"):
        raise base.error(("gpuyard",), "both files have the same `gpuyard: …`", "write the one that this gpuyard reads")
    merge = _Merge(base, over)
    data = merge.mapping((), {key: value for key, value in base.data.items() if key not in _OWN}, over.data)
    del data[EXTENDS]
    text = f"# {Path(over.source).name}, with {Path(base.source).name} written in\n{written(data)}"
    return Document(over.source, data, merge.values, merge.keys, text)


class _Merge:
    """Collects, beside the merged data, where each value and key stands: in `over` if it is there."""

    def __init__(self, base: Document, over: Document) -> None:
        self._base, self._over = base, over
        self.values: dict[Where, Mark] = {}
        self.keys: dict[Where, Mark] = {}

    def mapping(self, path: Where, base: dict[str, Plain], over: dict[str, Plain]) -> dict[str, Plain]:
        self._place(path, self._over)
        merged: dict[str, Plain] = {}
        for key in (*over, *(key for key in base if key not in over)):
            here = (*path, key)
            if key in over and key in base:
                mine, theirs = over[key], base[key]
                if mine is None:
                    continue
                if isinstance(mine, dict) and isinstance(theirs, dict):
                    merged[key] = self.mapping(here, theirs, mine)
                    continue
            merged[key] = over[key] if key in over else base[key]
            self._places(here, merged[key], self._over if key in over else self._base)
        return merged

    def _places(self, path: Where, value: Plain, source: Document) -> None:
        """All at and below `path`."""
        self._place(path, source)
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, below in inner:
            self._places((*path, step), below, source)

    def _place(self, where: Where, source: Document) -> None:
        foreign = source.source if source is self._base else ""
        for found, known in ((self.values, source.values), (self.keys, source.keys)):
            if mark := known.get(where):
                found[where] = replace(mark, source=foreign)
