"""The one cleaner of everything that comes over the wire; it stands before the decoder.

A terminal obeys control characters wherever they are drawn, and the toolkit lets most of them through
(Textual 8.2.8), so no string that carries one ever becomes an object of the console.

    payload ──clean_json──► the same JSON, its strings clean ──wire.decode──► frames
"""

import re

import msgspec

_SEQUENCE = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?                                         # CSI: colours, cursor
    | (?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f]) [^\x07\x1b\x9c\n]* (?:\x07|\x1b\\|\x9c)?  # OSC, DCS, APC, PM, SOS
    | \x1b [ -/]* [0-Z\\^-~]?                                                      # the short ones
    """,
    re.VERBOSE,
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HIDDEN = re.compile(
    "[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SUSPECT = re.compile(
    rb"\\[ubfr]|[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]"
    rb"|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb\xbe\xbf]|\xf3\xa0[\x80\x81]"
)


def clean(text: str) -> str:
    """`text` without anything that a terminal obeys; `\\n` and `\\t` stay.

    Escape sequences go with their bodies; any line end becomes `\\n`, so that a progress bar that returns its
    carriage is read as lines; characters that turn or hide text are shown as `\\u202e`.
    """
    text = _SEQUENCE.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _CONTROL.sub("", text)
    return _HIDDEN.sub(_visible, text)


def clean_json(payload: bytes) -> bytes:
    """`payload` with every string in it, keys too, clean. Raises msgspec.DecodeError or UnicodeDecodeError.

    A payload without a suspicious byte, that is nearly every one, is returned as it is.
    """
    return _STRING.sub(_clean_string, payload) if _SUSPECT.search(payload) else payload


def _clean_string(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if not _SUSPECT.search(token):
        return token
    return msgspec.json.encode(clean(msgspec.json.decode(token, type=str)))


def _visible(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
