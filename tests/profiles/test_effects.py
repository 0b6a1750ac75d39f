"""What a plan ends, and for how long: measured or unknown, and hand edits that it takes back."""

import pytest
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import Desired, InstanceSpec, Wanted
from profiles.desired.rollout import Rollout
from profiles.observed.status import (
    EngineReading,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    HostReading,
    InstanceStatus,
    NodeStatus,
    Phase,
)
from profiles.plans.effects import in_flight, with_effects
from profiles.plans.plan import Action, Effect, Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.reverted import is_of, with_reverted
from profiles.plans.verb_plan import Verb, plan_verb
from tests.profiles.readings import gpu
from tests.profiles.test_plan import holding, spec

READING = EngineReading(at_unix_s=0.0, running=40.0, waiting=9.0)
HELD = (Slice(gpu_uuid="GPU-0", gpu_index=0),)
OTHER = (Slice(gpu_uuid="GPU-1", gpu_index=1),)


def running(name: str = "a/0", **fields: object) -> InstanceStatus:
    status = InstanceStatus(
        name=name, profile="p", revision=1, engine="vllm", model="m", phase=Phase.READY, since_unix_s=0.0, pid=7,
        slices=HELD, reading=READING, load_s=38.0,
    )  # fmt: skip
    return replace(status, **fields)


def node(*instances: InstanceStatus, gpus: tuple[GpuReading, ...] = (gpu(0), gpu(1))) -> NodeStatus:
    return NodeStatus(
        hostname="n", agent_version="1", boot_id="b", at_unix_s=0.0, gpus=gpus, instances=instances,
        host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip


def planned(new: InstanceSpec, status: InstanceStatus) -> Effect | None:
    desired = {"n1": holding(spec(slices=HELD))}
    plan = with_effects(plan_profile("p", {"n1": [new]}, desired), desired, {"n1": node(status)})
    (step,) = plan.steps
    return step.effect


def test_a_replace_is_away_as_long_as_its_last_load_took() -> None:
    told = planned(spec(slices=HELD, options={"seed": 1}), running())
    assert told == Effect(in_flight=49, comes_back=True, away_s=38.0)


@pytest.mark.parametrize(
    ("new", "status"),
    [
        (spec(slices=HELD, model="m2"), running()),
        (spec(slices=HELD, options={"seed": 1}), running(load_s=None)),
    ],
)
def test_what_was_not_measured_is_unknown(new: InstanceSpec, status: InstanceStatus) -> None:
    told = planned(new, status)
    assert told is not None
    assert told.away_s is None


def test_another_kind_of_gpu_was_not_measured() -> None:
    desired = {"n1": holding(spec(slices=HELD))}
    plan = plan_profile("p", {"n1": [spec(slices=OTHER)]}, desired)
    for name, away_s in (("H100", 38.0), ("T4", None)):
        status = node(running(), gpus=(gpu(0), gpu(1, name=name)))
        (step,) = with_effects(plan, desired, {"n1": status}).steps
        assert step.action is Action.MOVE
        assert step.effect is not None
        assert step.effect.away_s == away_s


def test_a_move_to_another_node_loses_nothing_where_both_fit() -> None:
    desired = {"n1": holding(spec(slices=HELD)), "n2": holding()}
    at_once = plan_profile("p", {"n2": [spec(slices=HELD)]}, desired)
    plan = replace(at_once, rollout=Rollout())
    statuses = {"n1": node(running()), "n2": node()}
    (step,) = with_effects(plan, desired, statuses).steps
    assert step.effect == Effect(in_flight=49, comes_back=True, away_s=0.0)
    (step,) = with_effects(at_once, desired, statuses).steps
    assert step.effect == Effect(in_flight=49, comes_back=True, away_s=38.0), "the old one goes as the new one comes"
    crowded = desired | {"n2": holding(spec("o/0", slices=HELD), profile="q")}
    (step,) = with_effects(plan, crowded, statuses).steps
    assert step.effect == Effect(in_flight=49, comes_back=True, away_s=38.0)


def test_what_stops_does_not_come_back_and_what_does_not_run_loses_nothing() -> None:
    names = ("a/0", "b/0", "c/0", "d/0")
    desired = {"n1": holding(*map(spec, names))}
    plan = plan_verb(Verb.STOP, [("n1", name) for name in names], desired)
    status = node(running("a/0"), running("b/0", pid=None), running("c/0", reading=None),
                  running("d/0", phase=Phase.LOADING, reading=None))  # fmt: skip
    told = with_effects(plan, desired, {"n1": status})
    assert [step.effect for step in told.steps] == [
        Effect(in_flight=49, comes_back=False, away_s=None), None,
        Effect(in_flight=None, comes_back=False, away_s=None), Effect(in_flight=0, comes_back=False, away_s=None),
    ]  # fmt: skip
    assert in_flight(told) is None, "one of them does not say"
    assert in_flight(replace(told, steps=told.steps[:2])) == 49


def test_what_goes_on_after_a_drain_ends_nothing() -> None:
    desired = {"n1": holding(spec(wanted=Wanted.DRAINED))}
    plan = plan_verb(Verb.START, [("n1", "a/0")], desired)
    (step,) = with_effects(plan, desired, {"n1": node(running(phase=Phase.DRAINING))}).steps
    assert (step.action, step.effect) == (Action.START, None)


def reverted(applied: dict[tuple[str, str], InstanceSpec], now: InstanceSpec, new: InstanceSpec) -> Plan:
    desired: dict[str, Desired] = {"n1": holding(now)}
    return with_reverted(plan_profile("p", {"n1": [new]}, desired), applied, desired)


def test_a_hand_edit_is_marked_and_what_the_file_changes_is_not() -> None:
    was, now = spec(options={"seed": 1, "x": 1}), spec(options={"seed": 2, "x": 1})
    plan = reverted({("n1", "a/0"): was}, now, spec(options={"seed": 1, "x": 9}))
    assert {change.key: change.by_hand for change in plan.steps[0].changes} == {
        "options.seed": True,
        "options.x": False,
    }
    unknown = reverted({}, now, spec(options={"seed": 1, "x": 9}))
    assert not any(change.by_hand for change in unknown.steps[0].changes)


def test_a_document_tells_of_the_revision_that_it_has_alone() -> None:
    now = holding(spec()).instances
    assert is_of(holding(spec(model="m0")).instances, now, "a/0")
    assert not is_of({}, now, "a/0")
    assert not is_of({"a/0": replace(now["a/0"], revision=0)}, now, "a/0")
    assert not is_of(holding(spec(), profile="q").instances, now, "a/0")
