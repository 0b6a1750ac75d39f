"""What a source of GPU readings is, and what the reader process says about each look."""

from typing import Protocol

import msgspec

from profiles.gpus import GpuCard
from profiles.status import GpuReading, GpuSource


class Frame(msgspec.Struct, frozen=True):
    """All GPUs at one moment: one line of JSON on the reader's stdout."""

    source: GpuSource
    gpus: tuple[GpuReading, ...] = ()
    cards: tuple[GpuCard, ...] | None = None
    """What they are; None where that is as it was said last."""


class NoGpus(Exception):
    """This source has nothing to read here. The text is a sentence for people."""


class Source(Protocol):
    """Opened by its constructor, which raises NoGpus."""

    def read(self) -> Frame:
        """Never raises for one GPU's sake: what it does not say is None with a reason in `absent`."""
        ...
