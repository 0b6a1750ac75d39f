"""TOML text → plain data with places, for the files of a node. Each table and each key of it knows its line."""

import re
import tomllib

from profiles.text.document import Document, FileError, Mark, Where

_TABLE = re.compile(r"\s*\[(?!\[)(.+)\]")
_KEY = re.compile(r"\s*((?:\"[^\"]*\"|'[^']*'|[\w.\-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[\w\-]+))*)\s*=")
_WORD = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w\-]+)")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)| \(at end of document\)")


def parse(text: str, source: str) -> Document:
    """Raises FileError for what is no TOML."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        message = _AT.sub("", str(error))
        lines = text.splitlines() or [""]
        line, column = (int(at[1]), int(at[2])) if at and at[1] else (len(lines), len(lines[-1]) + 1)
        raise FileError(source, line, column, message[:1].lower() + message[1:]) from None
    places = _places(text)
    return Document(source=source, data=data, values={(): Mark(1, 1)} | places, keys=places, text=text)


def _places(text: str) -> dict[Where, Mark]:
    """Of tables and keys, by their path. A line inside a text of several lines may add one that nobody asks for."""
    found: dict[Where, Mark] = {}
    table: Where = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = _words(header[1])
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], Mark(number, header.start(1) + 1))
        elif key := _KEY.match(line):
            found.setdefault((*table, *_words(key[1])), Mark(number, key.start(1) + 1))
    return found


def _words(dotted: str) -> Where:
    return tuple(double or single or bare for double, single, bare in _WORD.findall(dotted))
