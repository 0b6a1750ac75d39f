"""One mapping over another, key by key, and where each value of the result stands.

Mappings are merged; anything else of the upper one replaces what the lower one has; `null` takes it out.
"""

from typing import NamedTuple

from msgspec.structs import replace

from profiles.text.document import Document, Mark, Plain, Where


class Part(NamedTuple):
    """A mapping, and where in which document it is."""

    document: Document
    where: Where
    value: dict[str, Plain]


class Merge:
    """Collects in `values` and `keys` where the parts of the result stand, as a Document of `source` has them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.values: dict[Where, Mark] = {}
        self.keys: dict[Where, Mark] = {}

    def mapping(self, path: Where, base: Part, over: Part) -> dict[str, Plain]:
        """`over` laid over `base`, to stand at `path`."""
        self._place(path, over.document, over.where)
        merged: dict[str, Plain] = {}
        for key in (*over.value, *(key for key in base.value if key not in over.value)):
            here, upper = (*path, key), over if key in over.value else base
            mine, theirs = upper.value[key], base.value.get(key)
            if key in base.value and mine is None:
                continue
            if upper is over and isinstance(mine, dict) and isinstance(theirs, dict):
                below = Part(base.document, (*base.where, key), theirs)
                merged[key] = self.mapping(here, below, Part(over.document, (*over.where, key), mine))
            else:
                merged[key] = self._whole(here, upper.document, (*upper.where, key), mine)
        return merged

    def _whole(self, path: Where, document: Document, where: Where, value: Plain) -> Plain:
        self._place(path, document, where)
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, below in inner:
            self._whole((*path, step), document, (*where, step), below)
        return value

    def _place(self, path: Where, document: Document, where: Where) -> None:
        foreign = document.source if document.source != self._source else ""
        for found, known in ((self.values, document.values), (self.keys, document.keys)):
            if mark := known.get(where):
                found[path] = replace(mark, source=mark.source or foreign)
