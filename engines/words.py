"""How an engine is started by hand, as far as its options do not tell; engines.reading reads by it."""

from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from engines.base import LOOPBACK


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """Of one engine."""

    begins: tuple[tuple[str, ...], ...]
    """The words before its flags, in each of its ways; the first as a file's name or as Python's `-m`."""
    model: frozenset[str] = frozenset({"--model"})
    takes_model_bare: bool = False
    """It may stand before the flags without one of its own."""
    served: frozenset[str] = frozenset()
    port: int | None = None
    host: str = LOOPBACK
    """Where it listens when nothing is said."""
    unsaid: dict[str, Any] = {}
    """What an option is when nothing is said, where the adapter chooses otherwise."""
    ours: dict[str, int] = {}
    """Flags that gpuyard writes by itself → how many words follow."""
    commas: bool = False
    """Several values are one word."""
    variables: dict[str, str] = {}
    """Variables that say what a flag says, where that is not given → the flag."""
    environment: tuple[str, ...] = ()
    """How the names of its own variables begin."""


@runtime_checkable
class Reads(Protocol):
    """Optional: an engine whose command line can be read back."""

    words: ClassVar[Words]
