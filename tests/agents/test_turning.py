"""How sleep and wake end: what an engine says of itself decides, and what failed is tried again later."""

from typing import cast

import pytest
from msgspec.structs import replace

from agents.instances.context import Context
from agents.instances.dialogue import NotDone
from agents.instances.runner import Runner, Started
from agents.instances.steering import RETRY_S, Steering
from engines.control import Call, Control
from engines.vllm_calls import calls
from profiles.desired.model import DesiredInstance, InstanceSpec


class Engine:
    """A dialogue: what it answers to a call, and says of itself afterwards."""

    def __init__(self, *, tells: bool = True) -> None:
        control = calls(sleeps=True, dev_mode=True, loras=False)
        self.control: Control = control if tells else replace(control, asleep=None)
        self.answer: NotDone | None = None
        self.says: bool | None = None
        self.asked: list[str] = []

    async def call(self, call: Call) -> NotDone | None:
        self.asked.append(call.path)
        return self.answer

    async def asleep(self) -> bool | None:
        return self.says


class Incarnation:
    """A runner, with what it wrote down."""

    def __init__(self, engine: Engine, asleep: bool | None) -> None:
        spec = InstanceSpec(name="a/0", service="a", engine="vllm", model="m")
        owned = DesiredInstance(profile="p", revision=1, spec=spec)
        self.started = Started(owned=owned, incarnation=1, port=1, asleep=asleep)
        self.dialogue = engine
        self.noted: list[bool | None] = []

    def note(self, started: Started) -> None:
        self.started = started
        self.noted.append(started.asleep)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def steering(engine: Engine, asleep: bool | None = False) -> tuple[Steering, Incarnation, Clock]:
    one, clock = Incarnation(engine, asleep), Clock()
    return Steering(cast("Context", None), cast("Runner", one), "a/0", clock), one, clock


async def test_it_is_unknown_while_the_call_is_under_way() -> None:
    engine = Engine()
    engine.says = True
    steer, one, _ = steering(engine)
    assert await steer.sleep() is None
    assert one.noted == [None, True]
    assert await steer.sleep() is None
    assert len(engine.asked) == 1


@pytest.mark.parametrize(("answered", "after"), [(True, False), (False, None)])
async def test_a_refusal_leaves_it_awake_and_no_answer_leaves_it_unknown(answered: bool, after: bool | None) -> None:
    engine = Engine()
    engine.answer = NotDone("POST /sleep: so it is", answered)
    steer, one, _ = steering(engine)
    reason = await steer.sleep()
    assert reason is not None
    assert (reason.code, "so it is" in reason.text) == ("not_asleep", True)
    assert (one.started.asleep, steer.awake) == (after, after is False)


async def test_an_engine_that_takes_the_call_and_does_nothing_is_told_of() -> None:
    engine = Engine()
    engine.says = False
    steer, one, _ = steering(engine)
    reason = await steer.sleep()
    assert reason is not None
    assert reason.code == "not_asleep"
    assert one.started.asleep is None


async def test_what_failed_is_tried_again_after_a_while_and_the_opposite_at_once() -> None:
    engine = Engine()
    engine.answer = NotDone("no", answered=False)
    steer, one, clock = steering(engine)
    await steer.sleep()
    await steer.sleep()
    assert len(engine.asked) == 1
    clock.now_s = RETRY_S
    await steer.sleep()
    assert len(engine.asked) == 2
    engine.answer, engine.says = None, False
    assert await steer.wake() is None
    assert one.started.asleep is False


@pytest.mark.parametrize("tells", [True, False])
async def test_an_agent_that_does_not_know_asks_an_engine_that_tells(tells: bool) -> None:
    engine = Engine(tells=tells)
    engine.says = True if tells else None
    steer, one, _ = steering(engine, asleep=None)
    assert await steer.sleep() is None
    assert engine.asked == ([] if tells else ["/sleep?level=1&mode=abort"])
    assert one.started.asleep is True
