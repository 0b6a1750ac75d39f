"""What GPUs offer while they are not in MIG mode and their driver does not say: for a plan, never for an act.

NVIDIA's MIG user guide, supported profiles (r580). Parts of seven slices share one shape, and so do those of four;
only the names differ, after the memory of each part. Once MIG mode is on, the driver's own word is taken.
"""

from typing import NamedTuple

from profiles.observed.mig import MigOffer

GIB_MIB = 1024


class _Kind(NamedTuple):
    slices: int
    size: int
    starts: tuple[int, ...]
    at_most: int


_SEVEN = (
    _Kind(1, 1, (0, 1, 2, 3, 4, 5, 6), 7),
    _Kind(1, 2, (0, 2, 4, 6), 4),
    _Kind(2, 2, (0, 2, 4), 3),
    _Kind(3, 4, (0, 4), 2),
    _Kind(4, 4, (0,), 1),
    _Kind(7, 8, (0,), 1),
)
_FOUR = (_Kind(1, 1, (0, 1, 2, 3), 4), _Kind(2, 2, (0, 2), 2), _Kind(4, 4, (0,), 1))


class _Part(NamedTuple):
    """`named` is in the GPU's name; of several with it, the one with at least `memory_gib` in all."""

    named: str
    memory_gib: int
    gigabytes: tuple[int, ...]
    """In the names of its profiles, in the order of the kinds."""
    kinds: tuple[_Kind, ...] = _SEVEN


_PARTS = (
    _Part("A100", 60, (10, 20, 20, 40, 40, 80)),
    _Part("A100", 0, (5, 10, 10, 20, 20, 40)),
    _Part("GB300", 0, (35, 70, 70, 139, 139, 278)),
    _Part("B300", 0, (34, 67, 67, 135, 135, 269)),
    _Part("GB200", 0, (23, 47, 47, 93, 93, 186)),
    _Part("B200", 0, (23, 45, 45, 90, 90, 180)),
    _Part("GH200", 0, (12, 24, 24, 48, 48, 96)),
    _Part("H200", 0, (18, 35, 35, 71, 71, 141)),
    _Part("H100", 90, (12, 24, 24, 47, 47, 94)),
    _Part("H100", 0, (10, 20, 20, 40, 40, 80)),
    _Part("A30", 0, (6, 12, 24), _FOUR),
    _Part("RTX PRO 6000 Blackwell", 0, (24, 48, 96), _FOUR),
)


def offers_of(name: str, memory_mib: int | None) -> tuple[MigOffer, ...]:
    """Those of a part of this name, the driver's numbers for them unknown (-1); none for a part that is not known."""
    words = name.replace("-", " ").split()
    for part in _PARTS:
        if _is_in(part.named.split(), words) and (memory_mib or 0) >= part.memory_gib * GIB_MIB:
            return tuple(
                MigOffer(
                    profile=f"{kind.slices}g.{gigabytes}gb", id=-1, slices=kind.slices, size=kind.size,
                    starts=kind.starts, at_most=kind.at_most, memory_mib=gigabytes * GIB_MIB,
                )
                for kind, gigabytes in zip(part.kinds, part.gigabytes, strict=True)
            )  # fmt: skip
    return ()


def _is_in(named: list[str], words: list[str]) -> bool:
    return any(words[at : at + len(named)] == named for at in range(len(words)))
