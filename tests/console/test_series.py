"""A ring of seconds: gaps, jitter, clocks that are set, and the past that a node remembers."""

from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from console.series import SERIES_POINTS, Ring


def shown(ring: Ring, count: int = SERIES_POINTS) -> list[float | None]:
    return [None if isnan(value) else value for value in ring.last(count)]


def ring(*points: tuple[float, float | None]) -> Ring:
    made = Ring()
    for at, value in points:
        made.add(at, value)
    return made


def test_the_last_points_are_kept_in_order():
    kept = ring(*((1000.5 + at, float(at)) for at in range(SERIES_POINTS + 5)))
    assert shown(kept, 3) == [SERIES_POINTS + 2, SERIES_POINTS + 3, SERIES_POINTS + 4]
    assert len(shown(kept, 10_000)) == SERIES_POINTS


def test_a_silence_is_a_gap_and_jitter_is_none():
    assert shown(ring((100.9, 1.0), (102.1, 2.0))) == [1.0, 2.0, 2.0]
    assert shown(ring((100.1, 1.0), (100.9, 2.0))) == [2.0]
    assert shown(ring((100.0, 1.0), (104.0, 2.0))) == [1.0, None, None, None, 2.0]
    assert shown(ring((100.0, 1.0), (101.0, None))) == [1.0, None]
    assert set(shown(ring((100.0, 1.0), (100_000.0, 2.0)))[:-1]) == {None}


def test_a_clock_that_is_set_back_begins_anew():
    assert shown(ring((100.0, 1.0), (98.0, 2.0))) == [2.0], "slewed"
    assert shown(ring((100.0, 1.0), (50.0, 2.0), (51.0, 3.0))) == [2.0, 3.0]


def test_the_past_fills_what_is_not_known_and_changes_nothing_else():
    kept = ring((100.0, 1.0), (103.0, 2.0))
    kept.fill(95.0, 1.0, [9.0, None, 9.0, 9.0, 9.0, 8.0, 7.0, None, 6.0])
    assert shown(kept) == [9.0, None, 9.0, 9.0, 9.0, 1.0, 7.0, None, 2.0]
    kept.add(104.0, 3.0)
    assert shown(kept, 2) == [2.0, 3.0]


def test_a_long_step_stands_for_its_seconds():
    kept = ring((120.0, 1.0))
    kept.fill(100.0, 10.0, [5.0, 6.0, 7.0])
    assert shown(kept) == [5.0] * 10 + [6.0] * 10 + [1.0]
    empty = Ring()
    empty.fill(100.0, 10.0, [None, 4.0])
    assert shown(empty) == [4.0] * 10
    empty.add(120.5, 1.0)
    assert shown(empty, 2) == [4.0, 1.0]


def test_a_full_ring_can_be_filled_and_goes_on():
    kept = ring(*((1000.0 + at, None if 200 <= at < 300 else 1.0) for at in range(SERIES_POINTS + 100)))
    kept.fill(900.0, 10.0, [2.0] * 200)
    values = shown(kept)
    assert len(values) == SERIES_POINTS
    assert values[100:200] == [2.0] * 100
    assert values[:100] == [1.0] * 100
    kept.add(2000.0, 3.0)
    assert shown(kept)[-2:] == [1.0, 3.0]
    assert len(shown(kept)) == SERIES_POINTS


@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1, width=32)), max_size=30),
    st.integers(0, 3000), st.lists(st.none() | st.floats(0, 1, width=32), max_size=50), st.sampled_from([1.0, 10.0]),
)  # fmt: skip
def test_a_fill_is_what_the_seconds_say(points, start, values, step_s):
    made, at, put = Ring(), 1000, {}
    for step, value in points:
        passed = step == 2
        at += step
        made.add(at, value)
        put[at] = value
        if passed and len(put) > 1:
            put[at - 1] = value
    made.fill(start, step_s, values)
    last = at if points else int(start + step_s * len(values)) - 1
    told = {int(start + place * step_s) + second: value for place, value in enumerate(values) if value is not None
            for second in range(int(step_s))}  # fmt: skip
    expected = {second: put.get(second, told.get(second, nan)) for second in range(last - SERIES_POINTS + 1, last + 1)}
    found = made.last(SERIES_POINTS)
    tail = [expected[second] for second in range(last - len(found) + 1, last + 1)]
    assert [repr(value) for value in found] == [repr(value) for value in tail]
    unseen = [value for second, value in expected.items() if second <= last - len(found)]
    assert all(map(isnan, unseen))
