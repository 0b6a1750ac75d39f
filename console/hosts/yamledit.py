"""Edits of a YAML text at one place; every other byte stays as it was, comments, order and quotes included.

    put(document, ("nodes", "a"), {"site": "fra"})        drop(document, ("nodes", "a", "labels", "pool"))

What goes where is read off the marks of the parser. What comes out is read again: where a style of writing defeats
the edit, it is refused, and no text is returned that says anything but what was asked for. A comment goes only with
the value that it stands inside of, or at the end of whose last line it is.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

import yaml

from profiles.text.document import Document, FileError, Plain, Where
from profiles.text.yamltext import read

Value = str | int | bool | Mapping[str, "Value"]

_PLAIN = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~@+-]*")
_COMMA = re.compile(r"(?:\s+#[^\n]*|\s)*,")
_COLON = re.compile(r"\s*:")
_BLANKS = re.compile(r"[ \t]*")


class _Change(NamedTuple):
    """`new` in place of what stands from `start` to `end`."""

    start: int
    end: int
    new: str


def put(document: Document, where: Where, entries: Mapping[str, Value]) -> str:
    """The text with `entries` in the mapping at `where`, which is made where there is none. Raises FileError."""
    wanted = _with(document.data, where, entries)
    if wanted == document.data:
        return document.text
    mapping, missing = _reach(document, where)
    for key in reversed(missing):
        entries = {str(key): entries}
    present = {key.value: (key, value) for key, value in mapping.value}
    new = {key: value for key, value in entries.items() if key not in present}
    changes = [_replace(document.text, *present[key], entries[key]) for key in entries if key in present]
    if new:
        changes.append(_insert(document, where, mapping, new))
    return _checked(document, where, changes, wanted)


def drop(document: Document, where: Where) -> str:
    """The text without the entry at `where`. Raises KeyError where there is none, FileError."""
    wanted = _without(document.data, where)
    mapping, _ = _reach(document, where[:-1])
    at = [key.value for key, _ in mapping.value].index(where[-1])
    if mapping.flow_style:
        changes = _drop_from_flow(document.text, mapping, at)
    else:
        changes = _drop_lines(document, where, mapping, at)
    return _checked(document, where, changes, wanted)


def entry(key: str, value: Value) -> str:
    """`key: value` on one line."""
    return f"{_flow(key)}: {_flow(value)}"


def _flow(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return f"{{{', '.join(entry(key, inner) for key, inner in value.items())}}}"


def _is_plain(text: str) -> bool:
    """Whether it is the same text without quotes."""
    if not _PLAIN.fullmatch(text):
        return False
    try:
        return read(text).data == text
    except FileError:
        return False


def _with(data: Plain, where: Where, entries: Mapping[str, Value]) -> Plain:
    inner = data if isinstance(data, dict) else {}
    if not where:
        return {**inner, **{key: _plain(value) for key, value in entries.items()}}
    return {**inner, str(where[0]): _with(inner.get(str(where[0])), where[1:], entries)}


def _plain(value: Value) -> Plain:
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value


def _without(data: Plain, where: Where) -> Plain:
    if not isinstance(data, dict) or where[0] not in data:
        raise KeyError(where[0])
    if len(where) == 1:
        return {key: value for key, value in data.items() if key != where[0]}
    return {**data, str(where[0]): _without(data[str(where[0])], where[1:])}


def _reach(document: Document, where: Where) -> tuple[yaml.MappingNode, Where]:
    """The innermost mapping on the way to `where`, and the rest of the way.

    PyYAML's C composer recurses without a limit (6.0.3); `document` was read before, so its depth is bounded.
    """
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    here = yaml.compose(document.text, Loader=loader)
    if not isinstance(here, yaml.MappingNode):
        raise _refusal(document, where)
    for at, step in enumerate(where):
        inner = next((value for key, value in here.value if key.value == step), None)
        if not isinstance(inner, yaml.MappingNode):
            return here, where[at:]
        here = inner
    return here, ()


def _replace(text: str, key: yaml.Node, old: yaml.Node, value: Value) -> _Change:
    start, end = old.start_mark.index, _end(text, key, old)
    if not _size(old):
        return _Change(end, end, f" {_flow(value)}")
    return _Change(start, start + len(text[start:end].rstrip()), _flow(value))


def _insert(document: Document, where: Where, mapping: yaml.MappingNode, new: Mapping[str, Value]) -> _Change:
    text, entries = document.text, [entry(key, value) for key, value in new.items()]
    if not mapping.value:
        at = mapping.start_mark.index + 1
        return _Change(at, at, ", ".join(entries))
    end = _end(text, *mapping.value[-1])
    if mapping.flow_style:
        return _Change(end, end, "".join(f", {one}" for one in entries))
    indent = _indent(document, where, mapping.value[0][0])
    newline = "\r\n" if "\r\n" in text else "\n"
    at = _line_end(text, end)
    lines = newline.join(indent + one for one in entries)
    return _Change(at, at, lines + newline if text[:at].endswith("\n") else newline + lines)


def _drop_from_flow(text: str, mapping: yaml.MappingNode, at: int) -> list[_Change]:
    """The entry and one comma; comments around it stay."""
    key, value = mapping.value[at]
    start, end = key.start_mark.index, _end(text, key, value)
    if at and at == len(mapping.value) - 1:
        before = _end(text, *mapping.value[at - 1])
        if "#" not in text[before:start]:
            return [_Change(before, end, "")]
    changes = [_Change(start, end, "")]
    if comma := _COMMA.match(text, end):
        blanks = _BLANKS.match(text, comma.end())
        changes.append(_Change(comma.end() - 1, blanks.end() if blanks else comma.end(), ""))
    return changes


def _drop_lines(document: Document, where: Where, mapping: yaml.MappingNode, at: int) -> list[_Change]:
    """The lines of the entry. A mapping that has no other becomes `{}`."""
    key, value = mapping.value[at]
    start = key.start_mark.index - len(_indent(document, where, key))
    changes = [_Change(start, _line_end(document.text, _end(document.text, key, value)), "")]
    if len(mapping.value) == 1 and len(where) > 1:
        outer, _ = _reach(document, where[:-2])
        owner = next(name for name, _ in outer.value if name.value == where[-2])
        colon = _after_colon(document.text, owner)
        changes.append(_Change(colon, colon, " {}"))
    return changes


def _indent(document: Document, where: Where, key: yaml.Node) -> str:
    """What stands before `key` in its line; FileError where that is not only blanks."""
    start = key.start_mark.index
    before = document.text[document.text.rfind("\n", 0, start) + 1 : start]
    if before.strip(" "):
        raise _refusal(document, where)
    return before


def _end(text: str, key: yaml.Node, value: yaml.Node) -> int:
    """Where the last thing of an entry ends. The mark of a block is behind what follows it: its last leaf is asked."""
    if isinstance(value, yaml.MappingNode) and not value.flow_style:
        return _end(text, *value.value[-1])
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return _end(text, key, value.value[-1])
    end: int = value.end_mark.index
    return end if _size(value) else _after_colon(text, key)


def _size(node: yaml.Node) -> int:
    size: int = node.end_mark.index - node.start_mark.index
    return size


def _line_end(text: str, at: int) -> int:
    """The start of the next line; a block scalar (`|`) ends there by itself."""
    if text[:at].endswith("\n"):
        return at
    return text.find("\n", at) + 1 or len(text)


def _after_colon(text: str, key: yaml.Node) -> int:
    colon = _COLON.match(text, key.end_mark.index)
    return colon.end() if colon else key.end_mark.index


def _checked(document: Document, where: Where, changes: list[_Change], wanted: Plain) -> str:
    text = document.text
    for change in sorted(changes, reverse=True):
        text = text[: change.start] + change.new + text[change.end :]
    try:
        if read(text, document.source).data == wanted:
            return text
    except FileError:
        pass
    raise _refusal(document, where)


def _refusal(document: Document, where: Where) -> FileError:
    return document.error(where, "this place is written in a way that cannot be edited by a program", "edit it by hand")
