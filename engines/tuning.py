"""What of an engine can be tuned, in its own words: which option is which knob, and how far it is turned. Data only.

Knob.SEQUENCES       requests that are computed together
Knob.BATCHED_TOKENS  tokens that one step takes: large is throughput, small are short pauses between tokens
Knob.MEMORY_SHARE    the part of a GPU's memory that it takes; the KV cache is what is left of it
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

import msgspec


class Knob(StrEnum):
    SEQUENCES = "sequences"
    BATCHED_TOKENS = "batched_tokens"
    MEMORY_SHARE = "memory_share"


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """One knob of one engine. `unset` is what it takes where the option is left out; None where that depends."""

    option: str
    least: float
    most: float
    unset: float | None = None
    note: str = ""
    """What else turning it does."""


@runtime_checkable
class Tuned(Protocol):
    """An engine of which at least one knob is known."""

    dials: ClassVar[Mapping[Knob, Dial]]


def sequences(option: str, unset: float | None = None, note: str = "") -> Dial:
    return Dial(option=option, least=1, most=1024, unset=unset, note=note)


def batched_tokens(option: str, unset: float | None = None) -> Dial:
    """Fewer than 256 leave a GPU with too little to do in a step."""
    return Dial(option=option, least=256, most=32_768, unset=unset)


def memory_share(option: str, unset: float | None = None, most: float = 0.95) -> Dial:
    """What is left above `most` is for the context, graphs and what fragments."""
    return Dial(option=option, least=0.1, most=most, unset=unset)
