"""Taking known secrets out of text that engines print. Pure: the caller reads the bytes.

    … before │ piece │ after …      a secret that crosses an edge is found by what lies on both sides of it
        "hf_"│"abc"  │              and one that may only just begin at the end of a file is held back

Each occurrence, plain or escaped as JSON, URL or base64, becomes `•••(name)`.
"""

import base64
import json
import re
from collections.abc import Collection, Mapping
from urllib.parse import quote

MIN_CHARS = 4
"""A shorter value stands everywhere: taking it out would only show where it is not a secret."""

_LINE_MIN_CHARS = 16


class Redactor:
    """Knows the values by their names."""

    def __init__(self, values: Mapping[str, Collection[str]]) -> None:
        self._names: dict[bytes, str] = {}
        for name, several in values.items():
            for value in several:
                for form in _forms(value):
                    self._names.setdefault(form, name)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None
        self.reach_bytes = len(longest_first[0]) - 1 if longest_first else 0
        """So much on each side of a piece decides what is in it."""

    def text(self, text: str) -> str:
        """All of a text that stands by itself."""
        return self.piece(b"", text.encode(), b"").decode("utf-8", "replace")

    def piece(self, before: bytes, piece: bytes, after: bytes) -> bytes:
        """`piece` without secrets; one that began before it leaves nothing of itself."""
        if self._pattern is None:
            return piece
        whole = before + piece + after
        start, end = len(before), len(before) + len(piece)
        kept = bytearray()
        at = start
        for found in self._pattern.finditer(whole):
            if found.end() <= start or found.start() >= end:
                continue
            kept += whole[at : max(at, found.start())]
            if found.start() >= start:
                kept += f"•••({self._names[found[0]]})".encode()
            at = min(found.end(), end)
        return bytes(kept + whole[at:end])

    def begun_bytes(self, tail: bytes) -> int:
        """How many bytes at the end of `tail` may be the beginning of a secret that is not all there yet."""
        longest = 0
        for form in self._names:
            for length in range(min(len(form) - 1, len(tail)), max(longest, MIN_CHARS - 1), -1):
                if tail.endswith(form[:length]):
                    longest = length
                    break
        return longest


def _forms(value: str) -> set[bytes]:
    """How a value may stand in a log. A key of several lines is known by each of its long lines as well."""
    lines = [line for line in value.splitlines() if len(line) >= _LINE_MIN_CHARS]
    forms: set[bytes] = set()
    for text in {value, value.strip(), *lines}:
        if len(text) >= MIN_CHARS:
            encoded = base64.b64encode(text.encode()).decode().rstrip("=")
            # The last digit may hold bits of what follows the value.
            cut = encoded if len(text.encode()) % 3 == 0 else encoded[:-1]
            forms |= {one.encode() for one in (text, json.dumps(text)[1:-1], quote(text, safe=""), cut)}
    return forms
