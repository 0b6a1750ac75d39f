"""The one cleaner of text that may reach a terminal. Standard library only.

A terminal obeys control characters wherever they are drawn. The console cleans all that comes over the wire before
it is decoded (console.remote.clean), an agent what it writes into files and messages that people read.
"""

import re

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


def clean(text: str) -> str:
    """`text` without anything that a terminal obeys; `\\n` and `\\t` stay.

    Escape sequences go with their bodies; any line end becomes `\\n`, so that a progress bar that returns its
    carriage is read as lines; characters that turn or hide text are shown as `\\u202e`.
    """
    text = _SEQUENCE.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _CONTROL.sub("", text)
    return _HIDDEN.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
