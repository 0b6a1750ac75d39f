"""A file that people wrote, as plain data that remembers where everything stood."""

import msgspec

Where = tuple[str | int, ...]
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


class FileError(Exception):
    """A file that people wrote cannot be used. Line and column count from 1; line 0 speaks of the whole file."""

    def __init__(self, source: str, line: int, column: int, message: str, hint: str = "") -> None:
        where = f"{source}:{line}:{column}" if line else source
        super().__init__(f"{where}: {message}")
        self.source, self.line, self.column = source, line, column
        self.message, self.hint = message, hint


class Mark(msgspec.Struct, frozen=True):
    """A place in a file; both count from 1. `source` "" is the document's own."""

    line: int
    column: int
    source: str = ""


class Document(msgspec.Struct, frozen=True):
    """Plain data, where each value and each key of a mapping began, and the text itself."""

    source: str
    data: Plain
    values: dict[Where, Mark]
    keys: dict[Where, Mark]
    text: str = ""

    def error(self, path: Where, message: str, hint: str = "", *, at_key: bool = False) -> FileError:
        """A FileError at `path`, or at the nearest thing around it that the file has."""
        places = self.keys if at_key and path in self.keys else self.values
        while path and path not in places:
            path = path[:-1]
        mark = places.get(path) or self.values[()]
        return FileError(mark.source or self.source, mark.line, mark.column, message, hint)
