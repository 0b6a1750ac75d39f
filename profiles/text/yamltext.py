"""Strict YAML: text → plain data that remembers where everything stood → typed values.

    read(path or text) ──► Document ──convert──► a msgspec struct
                              └── Document.error(path, …) ──► FileError with line and column

The reader takes the parser's events and builds dicts, lists and scalars itself, so that nothing is built that
was not checked: no tags, no anchors or aliases, no duplicate keys, bounded size, depth and count. It never
composes: PyYAML's C composer recurses and crashes the interpreter on deep nesting (PyYAML 6.0.3).

Plain scalars follow YAML 1.2 with the doubtful ones refused, never guessed: only `true` and `false` are
booleans and only `null`, `~` and nothing are null. `yes`, `On`, `True`, `017`, `0x1f` and `1_000` are refused
with a request to quote them. `12:30:45` and `2026-01-31` are text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from profiles.text.conform import convert
from profiles.text.document import Document, FileError, Mark, Plain, Where

__all__ = ["Document", "FileError", "Mark", "Plain", "Where", "convert", "read"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_DOUBTFUL = re.compile(
    r"(?i:yes|no|on|off|y|n|true|false|null)|[-+]?0[0-9_]+|[-+]?0[xob][0-9a-fA-F_]+|[-+]?[0-9]+(_[0-9]+)+|[-+]?\.(?i:inf|nan)"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def read(text_or_path: str | Path, source_name: str | None = None) -> Document:
    """The document in a file, or in `text_or_path` itself where that is a str. Raises FileError, nothing else."""
    source = source_name or (str(text_or_path) if isinstance(text_or_path, Path) else "text")
    text = _text(text_or_path, source)
    builder = _Builder(source, text)
    try:
        return builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FileError(source, line, column, f"not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise FileError(source, 1, 1, f"not valid YAML: {str(error).splitlines()[0]}") from None


def _text(text_or_path: str | Path, source: str) -> str:
    try:
        if isinstance(text_or_path, Path):
            with text_or_path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        else:
            raw = text_or_path.encode()
        if len(raw) > MAX_BYTES:
            raise FileError(source, 0, 0, f"larger than {MAX_BYTES // 1024} KiB", "split it into several files")
        return raw.decode("utf-8-sig")
    except UnicodeError:
        raise FileError(source, 0, 0, "not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise FileError(source, 0, 0, f"cannot be read: {error.strerror}", "check the path and its rights") from None


class _Builder:
    """One pass over the events of one text. Depth is bounded before it recurses."""

    def __init__(self, source: str, text: str) -> None:
        self._source = source
        self._text = text
        loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
        self._values: dict[Where, Mark] = {}
        self._keys: dict[Where, Mark] = {}
        self._nodes = 0

    def document(self) -> Document:
        next(self._events)
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            raise FileError(self._source, 1, 1, "the file is empty", "it begins with `gpuyard: 1`")
        data = self._node(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refuse(after, "a second document begins here", "keep one document in a file")
        return Document(self._source, data, self._values, self._keys, self._text)

    def _node(self, event: yaml.Event, path: Where) -> Plain:
        self._values[path] = _mark(event)
        self._check(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event)

    def _mapping(self, path: Where) -> dict[str, Plain]:
        mapping: dict[str, Plain] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            self._check(event, path)
            key = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None
            if not isinstance(key, str):
                raise self._refuse(event, "a key must be text", "put it in quotes")
            if key in mapping:
                first = self._keys[*path, key]
                raise self._refuse(event, f"`{key}` is here twice, first in line {first.line}", "keep one of them")
            self._keys[*path, key] = _mark(event)
            mapping[key] = self._node(next(self._events), (*path, key))
        return mapping

    def _sequence(self, path: Where) -> list[Plain]:
        sequence: list[Plain] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._node(event, (*path, len(sequence))))
        return sequence

    def _check(self, event: yaml.Event, path: Where) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refuse(event, f"more than {MAX_NODES} values", "split the file")
        if len(path) >= MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
            raise self._refuse(event, f"nested deeper than {MAX_DEPTH}", "is a bracket left open?")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._refuse(event, "anchors and aliases (& and *) are not read", "write the value out, or quote it")
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, "tags (!) are not read", "leave the tag out, or quote the value")

    def _scalar(self, event: yaml.Event) -> Plain:
        assert isinstance(event, yaml.ScalarEvent)
        text = str(event.value)
        if _CONTROL.search(text):
            raise self._refuse(event, "a control character is in this text", "take it out")
        if not event.implicit[0]:
            return text
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if _INT.fullmatch(text):
            if len(text) > 20 or abs(int(text)) >= 2**63:
                raise self._refuse(event, "this number is too large", "put it in quotes if it is text")
            return int(text)
        if _DOUBTFUL.fullmatch(text):
            raise self._refuse(event, f"`{text}` could be read in two ways", _intent(text))
        if _FLOAT.fullmatch(text):
            number = float(text)
            if abs(number) == float("inf"):
                raise self._refuse(event, "this number is too large", "put it in quotes if it is text")
            return number
        return text

    def _refuse(self, event: yaml.Event, message: str, hint: str) -> FileError:
        mark = _mark(event)
        return FileError(self._source, mark.line, mark.column, message, hint)


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


def _intent(text: str) -> str:
    word = text.lower()
    if word in ("yes", "on", "y", "true"):
        return f'write true, or "{text}" if it is text'
    if word in ("no", "off", "n", "false"):
        return f'write false, or "{text}" if it is text'
    return f'write "{text}" if it is text, or a plain decimal number'
