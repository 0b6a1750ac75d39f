"""Options as people write them, checked against the struct that an adapter keeps of its engine's own words.

    raw mapping ──options_for──► the adapter's Options ──► its command

`extra_args` is the way out for what a struct does not have: words that are passed on as they are, unless one of them
says again what gpuyard says already.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from engines.base import BadOptions, Engine
from engines.options.extra import said_already


def options_for(engine: Engine, raw: Mapping[str, Any]) -> msgspec.Struct:
    """The adapter's typed options from a plain mapping; each text among them fits a word of a command line.

    Raises BadOptions, with the key that does not fit where there is one.
    """
    for name, value in raw.items():
        for text in _texts(value):
            if problem := unfit(text, flag=name == "extra_args"):
                raise BadOptions(f"option `{name}`: {problem}", key=name)
    try:
        options = msgspec.convert(dict(raw), engine.Options, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`").split(".")[0].split("[")[0]
        if "unknown field" in text:
            key = text.rsplit("`", 2)[1]
            raise BadOptions(f"{engine.name} has no option `{key}`", nearest(key, engine.Options), key) from None
        raise BadOptions(f"option `{key}`: {text}" if key else text, key=key) from None
    if twice := said_already(engine, getattr(options, "extra_args", ())):
        raise BadOptions(*twice, "extra_args")
    return options


def unfit(value: str, *, flag: bool = False) -> str:
    """Why `value` cannot stand as one word of a command line that some engine parses; "" when it can."""
    if value.startswith("-") and not flag:
        return "a value that begins with `-` would be read as an option"
    return "" if value.isprintable() else "a value has no line ends and no control characters"


def nearest(name: str, struct: type[msgspec.Struct]) -> str:
    """A hint with the field of `struct` that `name` may have meant."""
    from difflib import get_close_matches

    fields = [field.encode_name for field in msgspec.structs.fields(struct)]
    close = get_close_matches(name, fields, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(fields)}"


def _texts(value: object) -> Iterator[str]:
    """Every text in a plain value, names of a mapping included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield from _texts(name)
            yield from _texts(held)
    elif isinstance(value, (list, tuple)):
        for held in value:
            yield from _texts(held)
