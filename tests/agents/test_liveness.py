"""Evidence → verdict, on a clock that the test moves."""

import msgspec
import pytest

from agents.instances.liveness import Pace, Pulse
from engines.abilities import Completion, Liveness
from engines.base import EngineSample
from profiles.observed.status import Phase

PACE = Pace()
TOKEN = Completion(path="/v1/completions", body=b"{}")


class Engine:
    """A pulse that is fed by hand, with a scrape every two seconds while time goes on."""

    def __init__(self, liveness: Liveness | None = None) -> None:
        self.pulse = Pulse(liveness or Liveness(one_token=TOKEN), PACE, 0.0)
        self.now_s = 0.0

    def goes_on(self, seconds: float, sample: EngineSample | None) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 2.0
            if sample is not None:
                self.pulse.scraped(self.now_s, sample)

    def phase(self) -> Phase:
        return self.pulse.verdict(self.now_s).phase

    def code(self) -> str:
        return self.pulse.verdict(self.now_s).reason.code

    def gives(self, status: int | None) -> None:
        assert self.pulse.wants_token(self.now_s)
        self.pulse.token_asked(self.now_s, status)


def sample(running: float = 0.0, tokens: float = 0.0, waiting: float = 0.0, kv: float | None = None) -> EngineSample:
    return EngineSample(
        running=running, waiting=waiting, generation_tokens=tokens, prompt_tokens=0.0, kv_usage_ratio=kv
    )


def test_requests_and_no_token_are_a_stall_and_a_token_ends_it() -> None:
    engine = Engine()
    engine.goes_on(10, sample(running=3, tokens=100))
    engine.goes_on(20, sample(running=3, tokens=100))
    assert engine.phase() is Phase.READY
    engine.goes_on(4, sample(running=3, waiting=1, tokens=100))
    verdict = engine.pulse.verdict(engine.now_s)
    assert (verdict.phase, verdict.reason.code) == (Phase.STALLED, "no_progress")
    assert "3 running, 1 waiting" in verdict.reason.text
    engine.goes_on(60, sample(tokens=100))
    assert engine.phase() is Phase.STALLED, "clients that left prove nothing"
    engine.goes_on(2, sample(running=1, tokens=101))
    assert engine.phase() is Phase.READY


def test_waiting_alone_stalls_too() -> None:
    engine = Engine()
    engine.goes_on(40, sample(waiting=1))
    assert engine.code() == "no_progress"


@pytest.mark.parametrize("gap_s", [2, 28])
def test_a_slow_engine_that_moves_is_not_stalled(gap_s: float) -> None:
    engine = Engine()
    for tokens in range(20):
        engine.goes_on(gap_s, sample(running=1, tokens=tokens))
        assert engine.phase() is Phase.READY


def test_a_long_prompt_that_takes_cache_is_not_stalled() -> None:
    engine = Engine()
    for step in range(1, 10):
        engine.goes_on(20, sample(running=1, kv=step / 10))
        assert engine.phase() is Phase.READY
    engine.goes_on(40, sample(running=1, kv=0.5))
    assert engine.code() == "no_progress", "a share that falls proves nothing"


def test_three_scrapes_at_least_are_needed() -> None:
    engine = Engine()
    engine.pulse.scraped(1.0, sample(running=1))
    engine.now_s = 45.0
    engine.pulse.scraped(45.0, sample(running=1))
    assert engine.phase() is Phase.READY
    engine.pulse.scraped(45.1, sample(running=1))
    assert engine.phase() is Phase.STALLED


def test_the_time_before_requests_came_does_not_count() -> None:
    engine = Engine()
    engine.goes_on(40, sample())
    engine.goes_on(28, sample(running=1))
    assert engine.phase() is Phase.READY


def test_an_idle_engine_is_asked_for_a_token_and_two_failures_are_a_stall() -> None:
    engine = Engine()
    engine.goes_on(44, sample())
    assert not engine.pulse.wants_token(engine.now_s)
    engine.goes_on(2, sample())
    engine.gives(None)
    assert engine.phase() is Phase.READY
    assert not engine.pulse.wants_token(engine.now_s)
    engine.goes_on(10, sample())
    engine.gives(None)
    assert engine.code() == "no_answer"
    engine.goes_on(10, sample())
    engine.gives(200)
    assert engine.phase() is Phase.READY


def test_a_token_given_is_asked_for_again_only_when_it_is_idle_for_long() -> None:
    engine = Engine()
    engine.goes_on(46, sample())
    engine.gives(200)
    engine.goes_on(46, sample(tokens=1))
    assert not engine.pulse.wants_token(engine.now_s)
    engine.goes_on(2, sample(tokens=1))
    assert engine.pulse.wants_token(engine.now_s)


def test_a_busy_engine_is_not_asked() -> None:
    engine = Engine()
    engine.goes_on(60, sample(running=1))
    assert not engine.pulse.wants_token(engine.now_s)


def test_an_error_is_degraded_and_a_refusal_proves_nothing() -> None:
    engine = Engine()
    engine.goes_on(46, sample())
    engine.gives(500)
    assert engine.code() == "token_refused"
    engine.goes_on(10, sample())
    engine.gives(200)
    assert engine.phase() is Phase.READY
    engine.goes_on(48, sample(tokens=1))
    engine.gives(404)
    assert engine.phase() is Phase.READY
    assert not engine.pulse.wants_token(engine.now_s)


def test_silence_is_degraded_only_when_health_is_silent_too() -> None:
    engine = Engine()
    engine.goes_on(2, sample())
    engine.goes_on(30, None)
    assert not engine.pulse.wants_health(engine.now_s)
    engine.goes_on(2, None)
    assert engine.pulse.wants_health(engine.now_s)
    engine.pulse.health_answered(True)
    assert engine.phase() is Phase.READY
    engine.pulse.health_answered(False)
    assert engine.code() == "unanswered"
    engine.goes_on(2, sample())
    assert engine.phase() is Phase.READY


def test_one_that_froze_under_load_and_answers_nothing_is_asked_for_a_token() -> None:
    engine = Engine()
    engine.goes_on(2, sample(running=4))
    engine.goes_on(46, None)
    engine.gives(None)
    engine.goes_on(10, None)
    engine.gives(None)
    assert engine.code() == "no_answer"


@pytest.mark.parametrize("field", ["generation_tokens_in_flight", "prompt_tokens_in_flight", "iterations"])
def test_what_is_in_flight_counts_where_counters_move_at_the_end_only(field: str) -> None:
    engine = Engine(Liveness(one_token=TOKEN))
    for count in range(60):
        engine.goes_on(4, msgspec.structs.replace(sample(running=1), **{field: count}))
        assert engine.phase() is Phase.READY
    for _ in range(20):
        engine.goes_on(2, msgspec.structs.replace(sample(running=1), **{field: 59}))
    assert engine.code() == "no_progress"


def test_an_engine_without_a_token_to_ask_for_is_judged_by_its_counters() -> None:
    engine = Engine(Liveness())
    engine.goes_on(600, sample())
    assert not engine.pulse.wants_token(engine.now_s)
    assert engine.phase() is Phase.READY
