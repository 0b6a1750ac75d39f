"""How MIG divides a GPU: what its driver offers, what is there, what somebody asks for.

    "3x1g.10gb 1x3g.40gb" ──request──► {profile: count} ──profiles.gpu.migplan──► MigLayout

Memory is counted in slots, eight on a GPU of seven slices and four on one of four; instances never share a slot.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from engines.devices import MigSlot

_WORD = re.compile(r"(?:([1-9])x)?([1-8]g\.[1-9][0-9]{0,3}gb(?:[+-][a-z.]{1,10})*)")


class MigOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One profile that a GPU offers, and where its instances may begin. `id` is the driver's own number for it."""

    profile: str
    """As NVIDIA writes it: `1g.10gb`."""
    id: int
    slices: int
    """Of compute."""
    size: int
    """In slots of memory."""
    starts: tuple[int, ...]
    at_most: int
    memory_mib: int

    def slots(self) -> tuple[MigSlot, ...]:
        """Every place that it may have."""
        return tuple(MigSlot(profile=self.profile, start=start, size=self.size) for start in self.starts)


class MigLayout(msgspec.Struct, frozen=True, kw_only=True):
    """`mode` is whether the GPU is in MIG mode; `slots` are its instances in the order of their places."""

    mode: bool
    slots: tuple[MigSlot, ...] = ()

    def text(self) -> str:
        """`1g.10gb at 0, 3g.40gb at 4`"""
        if not self.mode:
            return "MIG off"
        return ", ".join(f"{slot.profile} at {slot.start}" for slot in self.slots) or "MIG on, no instances"


def layout(slots: Iterable[MigSlot]) -> MigLayout:
    """MIG mode, with these instances."""
    return MigLayout(mode=True, slots=tuple(sorted(slots, key=lambda slot: slot.start)))


def overlap(one: MigSlot, other: MigSlot) -> bool:
    return one.start < other.start + other.size and other.start < one.start + one.size


def request(words: Iterable[str]) -> dict[str, int]:
    """`3x1g.10gb` and `3g.40gb` → how many of each. Raises ValueError with a sentence."""
    wanted: dict[str, int] = {}
    for word in words:
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word} names no MIG instances: write COUNTxPROFILE, as `3x1g.10gb`")
        wanted[found[2]] = wanted.get(found[2], 0) + int(found[1] or 1)
    return wanted


def counted(wanted: Mapping[str, int]) -> str:
    """`3x 1g.10gb, 1x 3g.40gb`"""
    return ", ".join(f"{count}x {profile}" for profile, count in wanted.items())
