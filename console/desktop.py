"""A note on the desktop, by the terminal: OSC 9 or OSC 777 where the terminal is known to have it; nothing else.

OSC 9: iTerm2, WezTerm, Ghostty, Warp, kitty. OSC 777: foot, urxvt (as their manuals of 2025 say). Inside tmux or screen
the terminal behind it is not known: nothing is sent.
"""

from collections.abc import Mapping

from profiles.text.clean import clean

_OSC_9 = frozenset({"iTerm.app", "WezTerm", "ghostty", "WarpTerminal"})
MAX_CHARS = 200


def note(environ: Mapping[str, str], title: str, text: str) -> str:
    """What to write to the terminal; "" where it has no notes."""
    title, text = (clean(part).replace(";", ",").replace("\n", " ")[:MAX_CHARS] for part in (title, text))
    term = environ.get("TERM", "")
    if "TMUX" in environ or term.startswith(("screen", "tmux")):
        return ""
    if environ.get("TERM_PROGRAM") in _OSC_9 or term in ("xterm-kitty", "xterm-ghostty"):
        return f"\x1b]9;{title}: {text}\x07"
    if term.startswith(("foot", "rxvt-unicode")):
        return f"\x1b]777;notify;{title};{text}\x07"
    return ""
