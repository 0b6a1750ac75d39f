"""What a source of GPU readings is, and what the reader process says about each look."""

from typing import Protocol

import msgspec

from profiles.observed.gpus import GpuCard
from profiles.observed.status import GpuReading, GpuSource


class DriverXid(msgspec.Struct, frozen=True):
    """An error that the driver just reported; `uuid` "" is of a GPU that is not known."""

    uuid: str
    number: int
    at_unix_s: float


class Frame(msgspec.Struct, frozen=True):
    """All GPUs at one moment: one line of JSON on the reader's stdout."""

    source: GpuSource
    gpus: tuple[GpuReading, ...] = ()
    cards: tuple[GpuCard, ...] | None = None
    """What they are; None where that is as it was said last."""
    xids: tuple[DriverXid, ...] = ()
    """What the driver reported since the frame before."""
    stalled: bool = False
    """Said by the agent in place of a reader that is silent for good: nothing here is of now."""


class NoGpus(Exception):
    """This source has nothing to read here. The text is a sentence for people."""


class Source(Protocol):
    """Opened by its constructor, which raises NoGpus."""

    def read(self) -> Frame:
        """Never raises for one GPU's sake: what it does not say is None with a reason in `absent`."""
        ...

    def look_again(self) -> None:
        """Something was changed: leave nothing for later at the next read."""
        ...
