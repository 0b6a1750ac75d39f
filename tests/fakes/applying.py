"""An apply of the sample plan in its second wave: one instance is there, another loads."""

import dataclasses

from msgspec.structs import replace

from console.rollout.told import Began
from console.screens.apply import ApplyScreen
from console.screens.session import Session
from console.settling import Settling
from engines.base import LoadProgress
from profiles.plans.plan import Action, Step
from tests.fakes.plans import sample


def going_on(session: Session) -> ApplyScreen:
    store = session.store
    screen = ApplyScreen(dataclasses.replace(session, fleet=None), sample(store), "apply chat-prod")
    one = Step(action=Action.REPLACE, node="fra-1", instance="llama-70b/1")
    other = Step(action=Action.REPLACE, node="ams-1", instance="llama-70b/2")
    first = Step(action=Action.START, node="fra-2", instance="draft/0")
    screen.course.take(Began(number=1, of=4, steps=(first,)))
    screen.course.take(Began(number=2, of=4, steps=(one, other)))
    ready, loading = (store.nodes[step.node].instances[step.instance] for step in (one, other))
    load = LoadProgress(step="loading weights 12/30", ratio=0.4, elapsed_s=21.0, expected_s=52.0)
    screen.course.take(Settling(step=one, status=ready, ok=True))
    screen.course.take(Settling(step=other, status=replace(loading, load=load), ok=None))
    screen.log_line = "INFO 14:13:19 Loading safetensors checkpoint shards: 40% | 12/30"
    return screen
