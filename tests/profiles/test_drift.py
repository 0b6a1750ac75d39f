"""Key by key: wanted, asked for, running; what is under way is no drift."""

from msgspec.structs import replace

from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.observed.status import InstanceStatus, Phase
from profiles.revisions.drift import HIDDEN, Drift, edited, lagging

SPEC = InstanceSpec(name="x/0", service="x", engine="vllm", model="m", options={"a": 1}, env={"KEY": "s3cret"})


def document(*specs: InstanceSpec, profile: str = "p") -> dict[str, DesiredInstance]:
    return {spec.name: DesiredInstance(profile=profile, revision=1, spec=spec) for spec in specs}


def said(found: list[Drift]) -> list[tuple[str, str, str, str, str | None]]:
    return [(one.instance, one.key, one.wanted, one.desired, one.running) for one in found]


def test_edits_by_hand_key_by_key_and_no_secret() -> None:
    then = document(SPEC, replace(SPEC, name="x/1"))
    now = document(replace(SPEC, options={"a": 2}, env={"KEY": "other"}, restarts_asked=4), replace(SPEC, name="x/2"))
    assert said(edited("n", "p", then, now)) == [
        ("x/0", "env.KEY", HIDDEN, HIDDEN, None),
        ("x/0", "options.a", "1", "2", None),
        ("x/1", "instance", "there", "absent", None),
        ("x/2", "instance", "absent", "there", None),
    ]
    assert edited("n", "q", then, now) == []


def status(phase: Phase, **more: object) -> InstanceStatus:
    one = InstanceStatus(name="x/0", profile="p", revision=1, engine="vllm", model="m", phase=phase, since_unix_s=0.0)
    return replace(one, **more)


def test_what_runs_is_held_against_what_is_asked_for() -> None:
    running, stopped = document(SPEC), document(replace(SPEC, wanted=Wanted.STOPPED))
    for phase in (Phase.READY, Phase.DEGRADED, Phase.LOADING, Phase.STARTING):
        assert lagging("n", "p", running, [status(phase)]) == []
    for phase in (Phase.STOPPED, Phase.FAILED, Phase.STOPPING):
        assert lagging("n", "p", stopped, [status(phase)]) == []
    assert said(lagging("n", "p", running, [status(Phase.FAILED)])) == [("x/0", "phase", "", "running", "failed")]
    assert said(lagging("n", "p", stopped, [status(Phase.READY)])) == [("x/0", "phase", "", "stopped", "ready")]
    assert said(lagging("n", "p", running, [])) == [("x/0", "instance", "", "there", "absent")]
    assert said(lagging("n", "p", running, [status(Phase.READY, model="old")])) == [("x/0", "model", "", "m", "old")]
    assert said(lagging("n", "p", {}, [status(Phase.READY)])) == [("x/0", "instance", "", "absent", "ready")]
    assert lagging("n", "q", running, [status(Phase.FAILED)]) == []
