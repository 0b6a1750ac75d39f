"""Words that an adapter passes on as they are, as long as they say nothing that it says itself.

The last of two flags wins in most parsers: `--host 0.0.0.0` after ours would open an engine to the network.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from engines.base import Engine


@runtime_checkable
class Spells(Protocol):
    """Optional: an adapter with `extra_args`.

    `spellings` are flags other than `--OPTION`: every alias of one of its options → that option, and every flag that
    gpuyard sets itself → what to write instead, in words.
    """

    spellings: Mapping[str, str]


def said_already(engine: Engine, words: Iterable[str]) -> tuple[str, str] | None:
    """The first of `words` that repeats what gpuyard passes: a message and what to do instead.

    A prefix counts as the flag that it begins, because argparse completes it. Dashes and underscores are one.
    """
    if not isinstance(engine, Spells):
        return None
    options = engine.Options.__struct_fields__
    taken = {_plain(f"--{name}"): name for name in options} | {_plain(k): v for k, v in engine.spellings.items()}
    for word in words:
        if not word.startswith("-"):
            continue
        flag = _plain(word)
        said = flag if flag in taken else next((one for one in taken if one.startswith(flag)), "")
        if said:
            instead = taken[said]
            what = f"`{word}`" if said == flag else f"`{word}`, which may be read as `{said}`,"
            hint = f"use the option `{instead}`" if instead in options else instead
            return f"option `extra_args`: {what} is gpuyard's to pass", hint
    return None


def _plain(word: str) -> str:
    """`--no-enable_x=1` → `--enable-x`; a short flag keeps what it is."""
    flag = word.split("=", 1)[0].split(".", 1)[0]
    if not flag.startswith("--"):
        return flag
    flag = flag.replace("_", "-")
    return f"--{flag[5:]}" if flag.startswith("--no-") else flag
