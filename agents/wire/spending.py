"""What the GPUs of a node were given to in the past: time and energy, without a price."""

import msgspec

from agents.wire.base import Answer, Ask
from profiles.spent import GpuTime


class ReadSpent(Ask, frozen=True, kw_only=True):
    """The last `last_s`, in so many `parts` of one length; from the last whole ten seconds backwards."""

    last_s: float
    parts: int = 1


class SpentPart(msgspec.Struct, frozen=True, kw_only=True):
    """`seen_s` is how much of it the node has observed."""

    seen_s: int
    gpus: tuple[GpuTime, ...] = ()


class Spent(Answer, frozen=True, kw_only=True):
    """Oldest first, `part_s` each, up to `to_unix_s` by the node's clock."""

    to_unix_s: float
    part_s: float
    parts: tuple[SpentPart, ...]
