import pytest

from agents.instances.restart import Crash, RestartPolicy, loop_text, recent
from profiles.desired.restart import Restart

RULE = Restart()


def middle() -> float:
    return 0.5


def crashes(*at: float, lived_s: float = 60.0, line: str = "") -> tuple[Crash, ...]:
    return tuple(Crash(at_s=when, lived_s=lived_s, line=line) for when in at)


def test_delays_double_up_to_the_cap() -> None:
    policy, rule = RestartPolicy(cap_s=10.0), Restart(max_exits=20)
    delays = [policy.delay_s(crashes(*[0.0] * count), rule, 1.0, middle) for count in range(1, 7)]
    assert delays == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(("drawn", "delay_s"), [(0.0, 3.0), (0.5, 4.0), (0.999999, 5.0)])
def test_jitter_spreads_to_both_sides(drawn: float, delay_s: float) -> None:
    assert RestartPolicy().delay_s(crashes(0, 0, 0), RULE, 1.0, lambda: drawn) == pytest.approx(delay_s, rel=1e-4)


def test_the_fifth_exit_in_ten_minutes_is_a_crash_loop() -> None:
    assert RestartPolicy().delay_s(crashes(0, 1, 2, 3), RULE, 4.0, middle) is not None
    assert RestartPolicy().delay_s(crashes(0, 1, 2, 3, 4), RULE, 4.0, middle) is None


def test_the_rule_of_a_service_counts() -> None:
    rule = Restart(max_exits=2, window_s=5.0)
    assert RestartPolicy().delay_s(crashes(0, 9), rule, 9.0, middle) == 1.0
    assert RestartPolicy().delay_s(crashes(5, 9), rule, 9.0, middle) is None


def test_three_early_exits_in_a_row_are_a_crash_loop_under_any_rule() -> None:
    rule, early = Restart(max_exits=50), crashes(1, 2, lived_s=9.0)
    assert RestartPolicy().delay_s((*early, *crashes(3, lived_s=9.9)), rule, 3.0, middle) is None
    assert RestartPolicy().delay_s((*early, *crashes(3, lived_s=10.0)), rule, 3.0, middle) is not None


def test_old_exits_are_forgotten() -> None:
    assert recent(crashes(0, 500), RULE, 600.0) == crashes(500)
    assert RestartPolicy().delay_s(crashes(0, 1, 2, 3, 700), RULE, 700.0, middle) == 1.0


def test_a_loop_is_told_by_the_line_that_they_end_with() -> None:
    assert loop_text(crashes(0, 20, 40, line="no memory"), RULE) == "ended by itself 3 times within 40 s: no memory"
    both = (*crashes(0, line="no memory"), *crashes(9, line="port taken"))
    assert loop_text(both, RULE) == "ended by itself 2 times within 9 s: first no memory; last port taken"
    full = loop_text(crashes(0, 1, 2, 3, 4), RULE)
    assert full == "ended by itself 5 times within 4 s (at most 5 in 600 s)"
