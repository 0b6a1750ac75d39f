"""The language in which rows are chosen, in `/` and in `--filter`: read once, then asked of every row. Pure.

any   = all { "|" all }                    util>90 & node~fra-
all   = one { "&" one }                    state=lost | (queue>10 & ttft>800ms)
one   = "!" one | "(" any ")" | FIELD OP VALUE | TEXT
OP    = > >= < <=                          of numbers and times
      | = !=                               the number, or one of the words; `*` and `?` stand for anything
      | ~ !~                               has that in it
TEXT                                       any cell has that in it

A field is a column by its id, by the words of its title, or by another name of it. Case does not matter; what is
unknown is neither more nor less than anything. `"…"` holds what would be read as a sign.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import translate
from operator import ge, gt, le, lt

from console.render.table import Cell, Column
from profiles.text.units import duration_s

MAX_DEPTH = 16
Matches = Callable[[Sequence[Cell]], bool]

_TOKEN = re.compile(r'\s*(?:(>=|<=|!=|!~|[&|()<>=~!])|"([^"]*)("?)|([^&|()<>=~!"]+))')
_ORDERED = {">": gt, ">=": ge, "<": lt, "<=": le}
_NUMBER = re.compile(r"(-?[0-9][0-9,]*(?:\.([0-9]+))?)%?", re.ASCII)
_WORDS = re.compile(r"[\s,]+")
_UNKNOWN = Cell("")


class BadFilter(ValueError):
    """What does not read as a filter, where in the text, and what would."""

    def __init__(self, at: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.at, self.message, self.hint = at, message, hint


@dataclass(frozen=True)
class Filter:
    """`fields` are the positions of the columns that it asks about."""

    matches: Matches
    fields: frozenset[int] = frozenset()


EVERY = Filter(lambda cells: True)
"""Chooses all rows."""


def read(text: str, columns: Sequence[Column]) -> Filter:
    """Raises BadFilter."""
    return _Reader(text, columns).read() if text.strip() else EVERY


def fields(columns: Iterable[Column]) -> dict[str, int]:
    """Every name of every column → its position; where two could be meant, the first is."""
    found: dict[str, int] = {}
    listed = list(enumerate(columns))
    for at, column in listed:
        found.setdefault(column.id, at)
    for at, column in listed:
        title = column.title.casefold()
        for name in (*column.also, title, *re.findall(r"[a-z][a-z0-9/]+", title)):
            found.setdefault(name, at)
    return found


def find_column(name: str, columns: Sequence[Column]) -> int:
    """Raises BadFilter where no column is called that."""
    known = fields(columns)
    if name.casefold() in known:
        return known[name.casefold()]
    near = get_close_matches(name.casefold(), known, 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(column.id for column in columns)}"
    raise BadFilter(0, f"no column is called {name}", hint)


@dataclass(frozen=True)
class _Token:
    at: int
    sign: str
    """An operator, or "" for a word."""
    word: str = ""


class _Reader:
    """One pass over the tokens."""

    def __init__(self, text: str, columns: Sequence[Column]) -> None:
        self._tokens = list(_tokens(text))
        self._end = len(text)
        self._columns = columns
        self._fields: set[int] = set()

    def read(self) -> Filter:
        found = self._any_of(0)
        if self._tokens:
            raise BadFilter(self._tokens[0].at, f"`{_said(self._tokens[0])}` is not expected here", "join with & or |")
        return Filter(found, frozenset(self._fields))

    def _any_of(self, depth: int) -> Matches:
        parts = [self._all_of(depth)]
        while self._took("|"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else lambda cells: any(part(cells) for part in parts)

    def _all_of(self, depth: int) -> Matches:
        parts = [self._one(depth)]
        while self._took("&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda cells: all(part(cells) for part in parts)

    def _one(self, depth: int) -> Matches:
        if depth > MAX_DEPTH:
            raise BadFilter(self._here(), f"nested deeper than {MAX_DEPTH}")
        if self._took("!"):
            inner = self._one(depth + 1)
            return lambda cells: not inner(cells)
        opened = self._here()
        if self._took("("):
            within = self._any_of(depth + 1)
            if not self._took(")"):
                raise BadFilter(opened, "this bracket is left open", "close it with )")
            return within
        return self._term()

    def _term(self) -> Matches:
        name = self._word("something to look for")
        op = self._tokens[0] if self._tokens else None
        if op is None or op.sign not in ("=", "!=", "~", "!~", *_ORDERED):
            return _anywhere(name.word)
        del self._tokens[0]
        try:
            column = find_column(name.word, self._columns)
        except BadFilter as wrong:
            raise BadFilter(name.at, wrong.message, wrong.hint) from None
        self._fields.add(column)
        value = self._word(f"a value after `{op.sign}`")
        return _compare(column, self._columns[column], op, value)

    def _word(self, what: str) -> _Token:
        if not self._tokens or self._tokens[0].sign:
            raise BadFilter(self._here(), f"{what} is missing")
        return self._tokens.pop(0)

    def _took(self, sign: str) -> bool:
        if not self._tokens or self._tokens[0].sign != sign:
            return False
        del self._tokens[0]
        return True

    def _here(self) -> int:
        return self._tokens[0].at if self._tokens else self._end


def _tokens(text: str) -> Iterable[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end and (found := _TOKEN.match(text, at)):
        begins = found.end(0) - len(found[0].lstrip())
        sign, quoted, closed, word = found.groups()
        if quoted is not None and not closed:
            raise BadFilter(begins, "this quote is left open", 'close it with "')
        yield _Token(begins, sign or "", quoted if quoted is not None else (word or "").strip())
        at = found.end()


def _compare(at: int, column: Column, op: _Token, value: _Token) -> Matches:
    if op.sign in _ORDERED:
        if not column.right:
            raise BadFilter(op.at, f"{column.id} holds words, which are neither more nor less", "ask with = != ~ !~")
        wanted, holds = _number(column, value)[0], _ORDERED[op.sign]
        return lambda cells: isinstance(here := _cell(cells, at).sort, float | int) and holds(here, wanted)
    if op.sign in ("!=", "!~"):
        positive = _compare(at, column, replace(op, sign=op.sign[1]), value)
        return lambda cells: not positive(cells)
    if op.sign == "~":
        has = _pattern(f"*{value.word}*")
        return lambda cells: has(_cell(cells, at).text.casefold())
    if column.right and (column.is_time or _NUMBER.fullmatch(value.word)):
        exact, digits = _number(column, value)
        return lambda cells: isinstance(here := _cell(cells, at).sort, float | int) and round(here, digits) == exact
    same = _pattern(value.word)
    return lambda cells: any(same(part) for part in _parts(_cell(cells, at).text.casefold()))


def _number(column: Column, value: _Token) -> tuple[float, int]:
    """What a cell's value is held against, and how many digits of it were said. Raises BadFilter."""
    if column.is_time:
        seconds = duration_s(value.word)
        if seconds is None:
            raise BadFilter(value.at, f"{column.id} is a time, “{value.word}” is none", "as 800ms, 2.5s or 3h")
        return seconds, 3 if value.word.endswith("ms") else 0
    found = _NUMBER.fullmatch(value.word)
    if found is None:
        raise BadFilter(value.at, f"{column.id} is a number, “{value.word}” is none", f"in the unit of {column.title}")
    return float(found[1].replace(",", "")), len(found[2] or "")


def _cell(cells: Sequence[Cell], at: int) -> Cell:
    return cells[at] if at < len(cells) else _UNKNOWN


def _parts(text: str) -> Iterable[str]:
    """The whole, with and without the sign before it, and each of its words."""
    return (text.strip(), text.lstrip("×?!~…▒· "), *_WORDS.split(text))


def _pattern(word: str) -> Callable[[str], bool]:
    like = re.compile(translate(word.casefold())).match
    return lambda text: like(text) is not None


def _anywhere(word: str) -> Matches:
    needle = word.casefold()
    return lambda cells: any(needle in cell.text.casefold() for cell in cells)


def _said(token: _Token) -> str:
    return token.sign or token.word
