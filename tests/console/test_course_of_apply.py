"""An apply as lines: what is over, how far each instance is, what failed."""

from console.render.rollout import course_lines
from console.rollout.course import Course
from console.rollout.told import Began, Failed, Outcome, Over, Soaking
from console.settling import Settling
from engines.base import LoadProgress
from profiles.observed.status import InstanceStatus, Phase, Reason
from profiles.plans.plan import Action, Step

STEP = Step(action=Action.REPLACE, node="n1", instance="a/0")


def at(phase: Phase, ok: bool | None = None, **load: object) -> Settling:
    progress = LoadProgress(step="loading weights", **load) if load else None  # type: ignore[arg-type]
    status = InstanceStatus(
        name="a/0", profile="p", revision=1, engine="vllm", model="m", phase=phase, since_unix_s=0.0, load=progress
    )
    return Settling(step=STEP, status=status, ok=ok)


def told(course: Course) -> list[str]:
    return ["".join(text for text, _ in line) for line in course_lines(course, "INFO shard 3/4")]


def test_a_bar_never_goes_back_and_says_what_the_load_is_expected_to_take() -> None:
    now = [100.0]
    course = Course(lambda: now[0])
    course.take(Began(number=1, of=2, steps=(STEP,)))
    course.take(at(Phase.LOADING, ratio=0.5))
    course.take(at(Phase.LOADING))
    assert told(course)[1].count("█") == 10
    course.take(at(Phase.LOADING, elapsed_s=30.0, expected_s=40.0))
    assert told(course)[1].endswith("loading 30s of about 40s  loading weights")
    assert told(course)[1].count("█") == 15
    course.take(at(Phase.READY, True))
    course.take(Soaking(steps=(STEP,), seconds=20.0))
    now[0] += 5.0
    assert "has to stay so for 15s more" in told(course)[0]


def test_what_is_over_stays_with_its_time_and_a_failure_says_what_to_do() -> None:
    now = [100.0]
    course = Course(lambda: now[0])
    course.take(Began(number=1, of=2, steps=(STEP,)))
    now[0] += 70.0
    course.take(Began(number=2, of=2, steps=(STEP,)))
    course.take(Failed(node="n1", instance="a/0", reason=Reason("x", "it crashed", "see its log")))
    course.take(Began(number=1, of=1, steps=(STEP,), back=True))
    course.take(Over(outcome=Outcome.ROLLED_BACK))
    lines = told(course)
    assert lines[0] == " wave 1 of 2  replace a/0 on n1  1m10s"
    assert lines[2].startswith(" rolling back, wave 1 of 1")
    assert lines[3:] == [" n1 a/0: it crashed — see its log", " rolled back"]
