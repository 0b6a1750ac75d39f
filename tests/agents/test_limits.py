"""What a bucket lets through, by a clock of the test's own."""

from agents.limits import Bucket


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_passes_and_the_next_waits_for_its_share() -> None:
    clock = Clock()
    bucket = Bucket(2.0, 3, clock)
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take() == 0.5
    clock.now_s = 0.5
    assert bucket.take() == 0.0


def test_what_is_taken_in_any_case_is_paid_for_later() -> None:
    clock = Clock()
    bucket = Bucket(100.0, 100.0, clock)
    assert bucket.owe(100) == 0.0
    assert bucket.owe(250) == 2.5
    clock.now_s = 2.0
    assert bucket.owe(0) == 0.5
    clock.now_s = 3.0
    assert not bucket.is_full
    clock.now_s = 10.0
    assert bucket.is_full
