"""Money of the past: tables worked out by hand to the cent, and what holds for every table."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from profiles.money.past_bill import bill_of
from profiles.money.prices import Price
from profiles.money.spent import WHOLE, GpuStep, GpuTime, Holding, Tally
from profiles.observed.status import Phase

DATE = datetime.date(2026, 11, 1)
RENTED = Price(fixed_microusd_h=2_950_000, date=DATE, source="hand")
OWNED = Price(fixed_microusd_h=400_000, microusd_kwh=200_000, date=DATE, source="hand")
CHAT = Holding((("g", WHOLE),), "chat-prod", "search", "m", "vllm")
QUARTER = Holding((("g", WHOLE // 4),), "embed-prod", "ads", "e", "vllm")
BUSY, IDLE = GpuStep(busy_ratio=0.9, power_w=700.0), GpuStep(busy_ratio=0.0, power_w=100.0)


def told(*steps: tuple[int, GpuStep, dict[str, tuple[Phase, Holding]]]) -> GpuTime:
    """(how many steps of ten seconds, the GPU, who is there), oldest first."""
    tally = Tally()
    for count, gpu, held in reversed(steps):
        for _ in range(count):
            tally.add(0, 10, {"g": gpu}, held)
    return tally.result(0, {"g": "NVIDIA H100 80GB HBM3"})[0]


def test_an_hour_by_hand() -> None:
    """20 min unused, 30 min whole, of it 6 min idle, 10 min a quarter at 2.95 $/h: 0.983, 1.475, 0.295 and 0.123 $."""
    found = bill_of(
        told(
            (120, IDLE, {}),
            (144, BUSY, {"chat/0": (Phase.READY, CHAT)}),
            (36, IDLE, {"chat/0": (Phase.READY, CHAT)}),
            (60, BUSY, {"embed/0": (Phase.DEGRADED, QUARTER), "chat/0": (Phase.STOPPED, CHAT)}),
        ),
        RENTED,
    )
    assert found.total == 2_950_000
    assert found.instances == {"chat/0": 1_475_000, "embed/0": 122_916}
    assert found.idle == 295_000
    assert found.unallocated == 2_950_000 - 1_475_000 - 122_916


def test_what_is_drawn_is_paid_where_the_hardware_is_owned() -> None:
    """Half an hour at 700 W is 0.35 kWh, 0.07 $; with 0.20 $ for the hardware, 0.27 $."""
    assert bill_of(told((180, BUSY, {"chat/0": (Phase.READY, CHAT)})), OWNED).instances == {"chat/0": 270_000}


def test_a_launch_that_failed_had_nothing_and_one_that_came_up_pays_for_its_load() -> None:
    failed = told((30, BUSY, {"chat/0": (Phase.LOADING, CHAT)}), (1, IDLE, {"chat/0": (Phase.BACKOFF, CHAT)}))
    assert failed.instances == ()
    then_up = told(
        (30, BUSY, {"chat/0": (Phase.LOADING, CHAT)}),
        (1, IDLE, {"chat/0": (Phase.BACKOFF, CHAT)}),
        (6, BUSY, {"chat/0": (Phase.LOADING, CHAT)}),
        (54, BUSY, {"chat/0": (Phase.READY, CHAT)}),
    )
    assert [one.time.micro_s for one in then_up.instances] == [600 * WHOLE]
    crashed = told((12, BUSY, {"chat/0": (Phase.READY, CHAT)}), (6, IDLE, {"chat/0": (Phase.FAILED, CHAT)}))
    assert [one.time.micro_s for one in crashed.instances] == [120 * WHOLE], "what it served is paid"
    loading = told((6, BUSY, {"chat/0": (Phase.LOADING, CHAT)}))
    assert [one.time.micro_s for one in loading.instances] == [60 * WHOLE], "it may come up yet"


def test_who_it_was_of_is_kept_apart_when_that_changes() -> None:
    other = Holding((("g", WHOLE),), "chat-prod", "ads", "m", "vllm")
    found = told((6, BUSY, {"chat/0": (Phase.READY, CHAT)}), (12, BUSY, {"chat/0": (Phase.READY, other)}))
    assert {one.owner: one.time.micro_s for one in found.instances} == {"search": 60 * WHOLE, "ads": 120 * WHOLE}
    assert bill_of(found, RENTED).instances == {"chat/0": 49_166 + 98_333}


def test_without_a_price_nothing_is_free() -> None:
    assert bill_of(told((6, BUSY, {"chat/0": (Phase.READY, CHAT)})), None).unpriced == 1


def test_parts_of_a_window_are_apart() -> None:
    tally = Tally(2)
    tally.add(1, 10, {"g": BUSY}, {"chat/0": (Phase.READY, CHAT)})
    tally.add(0, 10, {"g": BUSY}, {})
    first, last = tally.result(0, {}), tally.result(1, {})
    assert (first[0].instances, len(last[0].instances)) == ((), 1)


steps = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.builds(GpuStep, busy_ratio=st.none() | st.floats(0, 1), power_w=st.none() | st.floats(0, 1000),
                  foreign=st.integers(0, 2 * WHOLE)),
        st.dictionaries(
            st.sampled_from("abcd"),
            st.tuples(st.sampled_from(Phase), st.builds(lambda part: Holding((("g", part),)), st.integers(0, WHOLE))),
        ),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@given(steps, st.integers(0, 10**8), st.integers(0, 10**7))
def test_every_window_adds_up(seen: list[tuple[int, GpuStep, dict[str, tuple[Phase, Holding]]]], fixed: int,
                              kwh: int) -> None:  # fmt: skip
    time = told(*seen)
    price = Price(fixed_microusd_h=fixed, microusd_kwh=kwh, date=DATE, source="")
    found = bill_of(time, price)
    assert time.all.micro_s == sum(count for count, _, _ in seen) * 10 * WHOLE
    assert min([0, *found.instances.values()]) >= 0 <= min(found.foreign, found.unallocated)
    assert 0 <= found.idle <= found.allocated
