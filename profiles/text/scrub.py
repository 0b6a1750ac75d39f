"""Taking what looks like a secret out of text. The second net: what is known is agents.redaction's."""

import re

HIDDEN = "•••"

_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_TOKEN = re.compile(
    r"\bhf_\w{8,}|\bsk-[\w-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bgh[pousr]_\w{16,}|\bxox[a-z]-[\w-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
)
_USERINFO = re.compile(r"(?<=://)[^/@\s\"']+(?=@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_NAMED = re.compile(
    r"""(?ix) \b([\w-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential)[\w-]*)
        (\\?["']? \s* [=:] \s* | \s+)                       # as in a file, in JSON, in escaped JSON, or as an option
        (?: \\?"(?:[^"\\]|\\[^"])*\\?" | '[^']*' | [^\s,;}"'\]]+ )"""
)
"""A name that speaks of a secret, and the value behind it."""

_KEEP = re.compile(r"(?i)^[\w-]*tokens?(_per_s|_total|s)?$")
"""Tokens of a language model are counted, not kept secret: `max_tokens: 4096` stays."""


def scrub(text: str) -> str:
    """`text` with everything that looks like a secret replaced."""
    text = _KEY_BLOCK.sub(HIDDEN, text)
    text = _BEARER.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    text = _USERINFO.sub(HIDDEN, text)
    text = _NAMED.sub(_hide_value, text)
    return _TOKEN.sub(HIDDEN, text)


def _hide_value(found: re.Match[str]) -> str:
    name, between = found[1], found[2]
    value = found[0][len(name) + len(between) :]
    is_option = not between.strip()
    if is_option and not (name.startswith("-") or found.string[: found.start()].endswith("-")):
        return found[0]  # a sentence: "the token was refused"
    if _KEEP.match(name) and value.strip("\\\"'").replace(".", "", 1).isdecimal():
        return found[0]
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{name}{between}{quote}{HIDDEN}{quote}"


def scrub_tree(value: object) -> object:
    """The same for what JSON can hold: also what stands under a name that speaks of a secret, or behind an option."""
    match value:
        case str():
            return scrub(value)
        case dict():
            return {key: HIDDEN if _hides(str(key), held) else scrub_tree(held) for key, held in value.items()}
        case list() | tuple():
            before = ("", *value)
            return [
                HIDDEN if _is_option(option) and _hides(option, held) else scrub_tree(held)
                for option, held in zip(before, value, strict=False)
            ]
        case _:
            return value


def _is_option(word: object) -> bool:
    return isinstance(word, str) and word.startswith("-") and "=" not in word


def _hides(name: object, value: object) -> bool:
    """Whether `name` says that `value` is a secret. Lists and numbers are none by their name."""
    return isinstance(value, str) and value != "" and _NAMED.fullmatch(f"{name}=x".lstrip("-")) is not None
