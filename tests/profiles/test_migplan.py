"""Dividing a GPU: what fits, what stays, what is refused and the nearest that would fit."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.devices import MigSlot
from profiles.gpu.migparts import offers_of
from profiles.gpu.migplan import Undivided, divide, fits, migration
from profiles.observed.mig import MigLayout, MigOffer, counted, layout, overlap, request

H100 = offers_of("NVIDIA H100 80GB HBM3", 81559)
A100 = offers_of("NVIDIA A100-SXM4-40GB", 40960)
A30 = offers_of("NVIDIA A30", 24576)
PARTS = (H100, A100, A30)

Offers = tuple[MigOffer, ...]
Case = tuple[Offers, dict[str, int]]


def slot(profile: str, start: int) -> MigSlot:
    (offer,) = [offer for offers in PARTS for offer in offers if offer.profile == profile and offers is not A100]
    return MigSlot(profile=profile, start=start, size=offer.size)


def slots_of(text: str) -> tuple[MigSlot, ...]:
    """`3g.40gb@4 1g.10gb@0`"""
    parts = (word.split("@") for word in text.split())
    return tuple(slot(profile, int(start)) for profile, start in parts)


def divisible(offers: Offers) -> list[dict[str, int]]:
    """Every request of up to four of each kind that fits on the part."""
    profiles = [offer.profile for offer in offers]
    counts = product(range(5), repeat=len(profiles))
    asked = [{one: count for one, count in zip(profiles, several, strict=True) if count} for several in counts]
    return [one for one in asked if one and sum(one.values()) <= 7 and fits(one, offers)]


requests = st.sampled_from([(offers, wanted) for offers in PARTS for wanted in divisible(offers)])


@given(requests)
def test_what_is_divided_is_what_was_asked_at_places_that_are_offered_and_apart(case: Case) -> None:
    offers, wanted = case
    found = divide(wanted, offers, ())
    assert {profile: sum(one.profile == profile for one in found) for profile in wanted} == wanted
    assert set(found) <= {place for offer in offers for place in offer.slots()}
    assert not [pair for pair in combinations(found, 2) if overlap(*pair)]


@given(requests, st.data())
def test_what_is_in_use_stays_as_far_as_it_is_asked_for(case: Case, data: st.DataObject) -> None:
    offers, wanted = case
    now = divide(wanted, offers, ())
    used = data.draw(st.sets(st.sampled_from(now)))
    assert set(divide(wanted, offers, now, used)) == set(now), "nothing moves without need"
    fewer = {profile: count - 1 for profile, count in wanted.items() if count > 1}
    if fewer:
        kept = set(divide(fewer, offers, now, used)) & used
        most = sum(min(count, sum(one.profile == profile for one in used)) for profile, count in fewer.items())
        assert len(kept) == most


@given(requests)
def test_the_way_back_is_the_way_there_turned_round(case: Case) -> None:
    offers, wanted = case
    one, other = layout(divide(wanted, offers, ())), layout(offers[0].slots()[:1])
    there, back = migration(one, other), migration(other, one)
    assert set(there.create) == set(back.destroy)
    assert set(there.destroy) == set(back.create)
    assert there.keep == back.keep
    assert not migration(one, one).changes


def test_a_used_instance_decides_where_the_others_go() -> None:
    now = slots_of("3g.40gb@0 3g.40gb@4")
    free = divide({"3g.40gb": 1, "1g.10gb": 3}, H100, now, used=now[:1])
    assert free == slots_of("3g.40gb@0 1g.10gb@4 1g.10gb@5 1g.10gb@6")
    other = divide({"3g.40gb": 1, "1g.10gb": 3}, H100, now, used=now[1:])
    assert other[-1] == slot("3g.40gb", 4)
    assert [one.start for one in other[:-1]] in ([0, 1, 2], [1, 2, 3], [0, 1, 3], [0, 2, 3])


def test_a_lone_instance_is_put_where_most_still_fits() -> None:
    assert divide({"1g.10gb": 1}, H100, ()) == slots_of("1g.10gb@6")


def test_the_largest_are_made_first() -> None:
    plan = migration(layout(slots_of("1g.10gb@3")), layout(slots_of("1g.10gb@3 3g.40gb@4 2g.20gb@0 1g.10gb@2")))
    assert [one.profile for one in plan.create] == ["3g.40gb", "2g.20gb", "1g.10gb"]
    assert plan.keep == slots_of("1g.10gb@3")
    assert not plan.switches


def test_mig_off_takes_all() -> None:
    plan = migration(layout(slots_of("3g.40gb@4")), MigLayout(mode=False))
    assert plan.switches
    assert plan.destroy == slots_of("3g.40gb@4")
    assert plan.wanted.text() == "MIG off"


@pytest.mark.parametrize(
    ("wanted", "text", "hint"),
    [
        ({"3g.40gb": 3}, "3x 3g.40gb do not fit on one GPU", "2x 3g.40gb fit"),
        ({"4g.40gb": 1, "3g.40gb": 1, "1g.10gb": 1}, "do not fit on one GPU", "1x 4g.40gb, 1x 3g.40gb fit"),
        ({"1g.12gb": 1}, "this GPU offers no 1g.12gb", "it offers 1g.10gb, 1g.20gb, 2g.20gb"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest_that_does(wanted: dict[str, int], text: str, hint: str) -> None:
    with pytest.raises(Undivided) as refused:
        divide(wanted, H100, ())
    assert text in refused.value.reason.text
    assert hint in refused.value.reason.hint


def test_requests_as_people_write_them() -> None:
    assert request(["3x1g.10gb", "3g.40gb", "1x1g.10gb", "1g.10gb+me"]) == {"1g.10gb": 4, "3g.40gb": 1, "1g.10gb+me": 1}
    assert counted({"1g.10gb": 3, "3g.40gb": 1}) == "3x 1g.10gb, 1x 3g.40gb"
    for word in ("0x1g.10gb", "3*1g.10gb", "1g", "x1g.10gb", "1g.10GB", "1g.10gb,2g.20gb"):
        with pytest.raises(ValueError, match="COUNTxPROFILE"):
            request([word])


def test_parts_are_told_by_name_and_memory() -> None:
    assert [offer.profile for offer in A100] == ["1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"]
    assert offers_of("NVIDIA GH200 480GB", 98304)[0].profile == "1g.12gb"
    assert offers_of("NVIDIA H100 NVL", 95830)[5].profile == "7g.94gb"
    assert offers_of("NVIDIA L40S", 46068) == ()
