"""How a GPU comes from the MIG instances that it has to those that are wanted: which stay, go and come. Pure.

    divide(request, offers, now, used) ──► slots, as many of those there are as can be    or Undivided, and why
    migration(now, wanted) ──► MigPlan     keep, then destroy, then create, the largest first

An instance stays where profile, start and size are the same: whoever runs on it is not disturbed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import msgspec

from engines.devices import MigSlot
from profiles.observed.mig import MigLayout, MigOffer, counted, overlap
from profiles.observed.status import Reason


class Undivided(Exception):
    """The GPU cannot be divided so; `reason` says the nearest that it can."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.reason = Reason("infeasible", text, hint)


class MigPlan(msgspec.Struct, frozen=True, kw_only=True):
    """From `now` to `wanted`. `create` is in the order in which it is done."""

    now: MigLayout
    wanted: MigLayout
    keep: tuple[MigSlot, ...] = ()
    destroy: tuple[MigSlot, ...] = ()
    create: tuple[MigSlot, ...] = ()

    @property
    def switches(self) -> bool:
        """MIG mode changes: everything on the GPU ends."""
        return self.now.mode is not self.wanted.mode

    @property
    def changes(self) -> bool:
        return self.switches or bool(self.destroy or self.create)


def migration(now: MigLayout, wanted: MigLayout) -> MigPlan:
    there = set(now.slots)
    asked = set(wanted.slots)
    return MigPlan(
        now=now,
        wanted=wanted,
        keep=tuple(slot for slot in now.slots if slot in asked),
        destroy=tuple(slot for slot in now.slots if slot not in asked),
        create=tuple(sorted((slot for slot in wanted.slots if slot not in there), key=_largest_first)),
    )


def _largest_first(slot: MigSlot) -> tuple[int, int]:
    return -slot.size, slot.start


def divide(
    request: Mapping[str, int], offers: Sequence[MigOffer], now: Collection[MigSlot], used: Collection[MigSlot] = ()
) -> tuple[MigSlot, ...]:
    """Places for what is asked, in the order of the places. Raises Undivided.

    Of all that fit, the one that keeps the most of `used`, then of `now`, then leaves the most places for more.
    """
    known = {offer.profile: offer for offer in offers}
    if missing := [profile for profile in request if profile not in known]:
        text = f"this GPU offers no {missing[0]}"
        raise Undivided(text, f"it offers {', '.join(known) or 'nothing'}")
    found = list(_fitting([(known[profile], count) for profile, count in request.items()], _most_slices(offers)))
    if not found:
        raise Undivided(f"{counted(request)} do not fit on one GPU", _nearest(request, offers))
    there, busy = set(now), set(used)

    def worth(slots: tuple[MigSlot, ...]) -> tuple[int, int, int]:
        chosen = set(slots)
        return len(chosen & busy), len(chosen & there), _room(slots, offers)

    best = max(found, key=worth)
    return tuple(sorted(best, key=lambda slot: slot.start))


def fits(request: Mapping[str, int], offers: Sequence[MigOffer]) -> bool:
    """Whether there is any such division."""
    known = {offer.profile: offer for offer in offers}
    if any(profile not in known for profile in request):
        return False
    asked = [(known[profile], count) for profile, count in request.items()]
    return next(_fitting(asked, _most_slices(offers)), None) is not None


def _fitting(asked: Sequence[tuple[MigOffer, int]], slices: int) -> Iterator[tuple[MigSlot, ...]]:
    """Every set of places that do not overlap and take at most `slices` of compute: few, on eight slots of memory."""
    if sum(offer.slices * count for offer, count in asked) > slices:
        return
    yield from _placed(sorted(asked, key=lambda one: -one[0].size), ())


def _placed(asked: Sequence[tuple[MigOffer, int]], taken: tuple[MigSlot, ...]) -> Iterator[tuple[MigSlot, ...]]:
    if not asked:
        yield taken
        return
    offer, count = asked[0]
    if count > offer.at_most:
        return
    free = [slot for slot in offer.slots() if not any(overlap(slot, other) for other in taken)]
    for chosen in combinations(free, count):
        if not any(overlap(one, other) for one, other in combinations(chosen, 2)):
            yield from _placed(asked[1:], taken + chosen)


def _most_slices(offers: Sequence[MigOffer]) -> int:
    """Of compute, on the whole GPU."""
    return max((offer.slices for offer in offers), default=0)


def _room(slots: Collection[MigSlot], offers: Sequence[MigOffer]) -> int:
    """How many places of any kind are left."""
    return sum(not any(overlap(place, slot) for slot in slots) for offer in offers for place in offer.slots())


def _nearest(request: Mapping[str, int], offers: Sequence[MigOffer]) -> str:
    """`2x 3g.40gb fit`: the request with the fewest instances less."""
    fewer = dict(request)
    while sum(fewer.values()):
        smallest = min((one for one in fewer if fewer[one]), key=lambda one: _size(one, offers))
        fewer[smallest] -= 1
        left = {profile: count for profile, count in fewer.items() if count}
        if left and fits(left, offers):
            return f"{counted(left)} {'fits' if sum(left.values()) == 1 else 'fit'}"
    return "see `gpuyard fractions`"


def _size(profile: str, offers: Sequence[MigOffer]) -> int:
    return next((offer.size for offer in offers if offer.profile == profile), 0)
