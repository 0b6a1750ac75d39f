"""Plain data → a typed value, with complaints in people's words at the place they concern.

msgspec says what is wrong and a path in which the keys of a mapping are hidden: `$.services[...].model`. The
hidden ones are found by converting again with one entry of that mapping at a time.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import inspect

from engines.options import nearest
from profiles.text.document import Document, FileError, Plain, Where

T = TypeVar("T", bound=msgspec.Struct)

_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|\[(\.\.\.)\]")
_EXPECTED = re.compile("Expected `(.+)`, got `(.+)`")
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false",
          "object": "a mapping (key: value)", "array": "a list", "null": "nothing"}  # fmt: skip


def convert(document: Document, kind: type[T]) -> T:
    """`document` as a `kind`, exactly typed. Raises FileError at the first thing that does not fit."""
    try:
        return msgspec.convert(document.data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explain(document, kind, str(error)) from None


def _explain(document: Document, kind: type[msgspec.Struct], text: str) -> FileError:
    complaint, _, tail = text.partition(" - at `")
    hidden = [_step(match) for match in _STEP.finditer(tail)]
    where = _locate(document.data, kind, text, hidden)
    if "unknown field" in complaint:
        key = complaint.split("`")[1]
        owner = _struct_at(kind, where)
        return document.error((*where, key), f"unknown key `{key}`", nearest(key, owner) if owner else "", at_key=True)
    if "missing required field" in complaint:
        key = complaint.split("`")[1]
        return document.error(where, f"`{key}` is missing", f"add `{key}: …`", at_key=True)
    expected = _EXPECTED.fullmatch(complaint)
    quote = expected and "str" in expected[1].split(" | ") and expected[2] in ("int", "float", "bool")
    return document.error(where, in_words(complaint), "put it in quotes" if quote else "")


def in_words(complaint: str) -> str:
    """A complaint of msgspec's as people would say it: ``Expected `int`, got `str` `` names no type of Python."""
    expected = _EXPECTED.fullmatch(complaint)
    if expected is None:
        return complaint[:1].lower() + complaint[1:]
    return f"expected {_words(expected[1])}, found {_words(expected[2])}"


def _words(kinds: str) -> str:
    named = [kind for kind in kinds.split(" | ") if kind != "null"] or ["null"]
    return " or ".join(_WORDS.get(kind, kind) for kind in named)


def _step(match: re.Match[str]) -> str | int | None:
    name, index, _ = match.groups()
    return name if name is not None else int(index) if index is not None else None


def _locate(data: Plain, kind: type[msgspec.Struct], text: str, steps: list[str | int | None]) -> Where:
    """The path with every hidden key (None) filled in."""
    found: list[str | int] = []
    for step in steps:
        inner = _at(data, found)
        if step is not None:
            found.append(step)
        elif isinstance(inner, dict):
            culprits = (key for key in inner if _complains(_only(data, found, key), kind, text))
            culprit = next(culprits, None)
            if culprit is None:
                break
            found.append(culprit)
            data = _only(data, found[:-1], culprit)
    return tuple(found)


def _complains(data: Plain, kind: type[msgspec.Struct], text: str) -> bool:
    try:
        msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        return str(error) == text
    return False


def _at(data: Plain, path: list[str | int]) -> Plain:
    for step in path:
        data = _child(data, step)
    return data


def _child(data: Plain, step: str | int) -> Plain:
    if isinstance(data, dict) and isinstance(step, str):
        return data[step]
    return data[step] if isinstance(data, list) and isinstance(step, int) else None


def _only(data: Plain, path: list[str | int], key: str) -> Plain:
    """`data` with all entries but `key` taken out of the mapping at `path`."""
    if not path:
        return {key: data[key]} if isinstance(data, dict) else data
    if isinstance(data, dict) and isinstance(path[0], str):
        return {**data, path[0]: _only(data[path[0]], path[1:], key)}
    if isinstance(data, list) and isinstance(path[0], int):
        inner = _only(data[path[0]], path[1:], key)
        return [*data[: path[0]], inner, *data[path[0] + 1 :]]
    return data


def _struct_at(kind: type[msgspec.Struct], where: Where) -> type[msgspec.Struct] | None:
    """The struct that the type says stands at `where`."""
    here: inspect.Type | None = inspect.type_info(kind)
    for step in where:
        here = _inside(here, step)
    here = _mapping_like(here)
    return here.cls if isinstance(here, inspect.StructType) else None


def _inside(outer: inspect.Type | None, step: str | int) -> inspect.Type | None:
    outer = _mapping_like(outer)
    if isinstance(outer, inspect.StructType):
        return next((field.type for field in outer.fields if field.encode_name == step), None)
    if isinstance(outer, inspect.DictType):
        return outer.value_type
    if isinstance(outer, inspect.ListType | inspect.VarTupleType):
        return outer.item_type
    return None


def _mapping_like(kind: inspect.Type | None) -> inspect.Type | None:
    """Of a union, the member that has an inside."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    inner = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.VarTupleType)
    return next((member for member in kind.types if isinstance(member, inner)), None)
