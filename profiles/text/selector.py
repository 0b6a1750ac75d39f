"""Which nodes: the words of `place: {nodes: …}`, read once and asked of each node. Pure.

any  = all { "|" all }               site=fra & !maintenance
all  = one { "&" one }               gpu-a | gpu-b
one  = "!" one | "(" any ")" | term  (site=fra | site=ams) & name~edge-
term = WORD                          a node of that name, or one that has that label
     | KEY "=" VALUE | KEY "~" PART  the label is that, or has that in it; `name` is the node's own
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

NAME = "name"
MAX_DEPTH = 16

_SPACE = " \t\r\n\f\v"
"""What `\\s` is in ASCII: str.rstrip() alone takes more."""

_TOKEN = re.compile(r"\s*(?:([!&|()])|([A-Za-z0-9][A-Za-z0-9._/-]*)(?:\s*([=~])\s*([A-Za-z0-9._/-]+))?)", re.ASCII)


class BadSelector(ValueError):
    """What does not read as a choice of nodes, and what would."""

    def __init__(self, message: str, hint: str = "as in `site=fra & !maintenance`") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Op(StrEnum):
    HAS = ""
    IS = "="
    IN = "~"


class Term(msgspec.Struct, frozen=True):
    """One question about a node."""

    key: str
    op: Op = Op.HAS
    value: str = ""

    def chooses(self, node: str, labels: Mapping[str, str]) -> bool:
        if self.op is Op.HAS:
            return self.key == node or self.key in labels
        found = node if self.key == NAME else labels.get(self.key)
        if found is None:
            return False
        return found == self.value if self.op is Op.IS else self.value in found


class Not(msgspec.Struct, frozen=True):
    inner: "Selector"

    def chooses(self, node: str, labels: Mapping[str, str]) -> bool:
        return not self.inner.chooses(node, labels)


class All(msgspec.Struct, frozen=True):
    parts: tuple["Selector", ...]

    def chooses(self, node: str, labels: Mapping[str, str]) -> bool:
        return all(part.chooses(node, labels) for part in self.parts)


class Any(msgspec.Struct, frozen=True):
    parts: tuple["Selector", ...]

    def chooses(self, node: str, labels: Mapping[str, str]) -> bool:
        return any(part.chooses(node, labels) for part in self.parts)


Selector = Term | Not | All | Any

EVERY: Selector = All(())
"""Chooses all nodes."""


def selector(text: str) -> Selector:
    """Raises BadSelector."""
    reader = _Reader(text)
    found = reader.any_of(0)
    reader.end()
    return found


class _Reader:
    """One pass over the tokens, one token ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens, None)

    def any_of(self, depth: int) -> Selector:
        parts = [self._all_of(depth)]
        while self._took("|"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def end(self) -> None:
        if self._next is not None:
            raise BadSelector(f"{_said(self._next)} is not expected there", "join two with `&` or `|`")

    def _all_of(self, depth: int) -> Selector:
        parts = [self._one(depth)]
        while self._took("&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Selector:
        if depth > MAX_DEPTH:
            raise BadSelector(f"nested deeper than {MAX_DEPTH}", "say it with fewer brackets")
        if self._took("!"):
            return Not(self._one(depth + 1))
        if self._took("("):
            inner = self.any_of(depth + 1)
            if not self._took(")"):
                raise BadSelector("a bracket is left open", "close it with `)`")
            return inner
        token, self._next = self._next, next(self._tokens, None)
        if isinstance(token, Term):
            return token
        raise BadSelector(f"a label or a node is missing {f'before `{token}`' if token else 'at the end'}")

    def _took(self, sign: str) -> bool:
        if self._next != sign:
            return False
        self._next = next(self._tokens, None)
        return True


def _tokens(text: str) -> Iterator[str | Term]:
    at, end = 0, len(text.rstrip(_SPACE))
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            rest = text[at:].strip(_SPACE).split(" ")[0]
            raise BadSelector(f"`{rest}` cannot be read", "a term is NODE, LABEL, LABEL=VALUE or LABEL~PART")
        at = found.end()
        sign, key, op, value = found.groups()
        yield sign or Term(key, Op(op or ""), value or "")


def _said(token: str | Term) -> str:
    return f"`{token.key}{token.op}{token.value}`" if isinstance(token, Term) else f"`{token}`"
