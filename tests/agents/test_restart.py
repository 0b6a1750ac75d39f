import pytest

from agents.restart import RestartPolicy


def middle() -> float:
    return 0.5


def test_delays_double_up_to_the_cap() -> None:
    policy = RestartPolicy(max_exits=20, cap_s=10.0)
    delays = [policy.delay_s([0.0] * count, 1.0, middle) for count in range(1, 7)]
    assert delays == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(("drawn", "delay_s"), [(0.0, 3.0), (0.5, 4.0), (0.999999, 5.0)])
def test_jitter_spreads_to_both_sides(drawn: float, delay_s: float) -> None:
    assert RestartPolicy().delay_s([0.0] * 3, 1.0, lambda: drawn) == pytest.approx(delay_s, rel=1e-4)


def test_the_fifth_exit_in_ten_minutes_is_a_crash_loop() -> None:
    policy = RestartPolicy()
    assert policy.delay_s([0.0, 1.0, 2.0, 3.0], 4.0, middle) is not None
    assert policy.delay_s([0.0, 1.0, 2.0, 3.0, 4.0], 4.0, middle) is None


def test_old_exits_are_forgotten() -> None:
    policy = RestartPolicy()
    assert policy.recent([0.0, 500.0], 600.0) == (500.0,)
    assert policy.delay_s([0.0, 1.0, 2.0, 3.0, 700.0], 700.0, middle) == 1.0
