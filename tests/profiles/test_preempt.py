"""What stops so that something fits: never what may not, never more than needed, and only as steps of a plan."""

from collections.abc import Mapping
from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Defaults, Desired, DesiredInstance, InstanceSpec, Profile, Service, Wanted
from profiles.observed.status import NodeStatus
from profiles.placing.place import place
from profiles.plans.plan import Action
from profiles.plans.preempt import Preemption, place_preempting, with_preemptions
from profiles.plans.profile_plan import plan_profile
from profiles.plans.verb_plan import Verb, plan_verb
from profiles.revisions.undo import plan_undo
from tests.profiles.machines import cluster, node

NODE = cluster(node("n", gpus=4))


def chat(count: int, *, replicas: int = 1, priority: str | int = "high") -> Profile:
    service = Service("m", replicas=replicas, gpus=GpuRequest(count=count), priority=priority)
    return Profile(1, "chat", {"chat": service}, defaults=Defaults("vllm"))


def batch(*gpus: int, priority: int = 50, preemptible: bool = True, **changes: object) -> DesiredInstance:
    name = f"batch-{'-'.join(map(str, gpus))}/0"
    spec = InstanceSpec(
        name=name, service=name.split("/")[0], engine="vllm", model="m", priority=priority, preemptible=preemptible,
        slices=tuple(Slice(gpu_uuid=f"n-{gpu}", gpu_index=gpu) for gpu in gpus),
    )  # fmt: skip
    return DesiredInstance(profile="batch", revision=3, spec=replace(spec, **changes))


def holding(*there: DesiredInstance) -> Desired:
    return Desired(generation=7, instances={one.spec.name: one for one in there})


def preempting(
    profile: Profile, *there: DesiredInstance, nodes: Mapping[str, NodeStatus] = NODE
) -> tuple[Preemption, dict[str, Desired]]:
    desired = {"n": holding(*there)}
    return place_preempting(profile, nodes, desired, {}), desired


def stopped(found: Preemption) -> set[str]:
    return {name for _, name in found.victims}


def test_what_fits_preempts_nothing() -> None:
    found, _ = preempting(chat(2), batch(0), batch(1))
    assert (found.victims, found.placed.unplaceable) == ({}, ())


def test_the_fewest_stop_and_of_those_the_least_important() -> None:
    found, _ = preempting(chat(2), batch(0), batch(1), batch(2, 3))
    assert found.victims == {("n", "batch-2-3/0"): "chat"}
    found, _ = preempting(chat(1), batch(0, priority=60), batch(1), batch(2, priority=70), batch(3, priority=60))
    assert found.victims == {("n", "batch-1/0"): "chat"}


def test_what_may_not_be_stopped_is_left_alone() -> None:
    for refused in (batch(0, preemptible=False), batch(0, priority=150), batch(0, priority=200)):
        found, _ = preempting(chat(4), refused, batch(1))
        assert (found.victims, len(found.placed.unplaceable)) == ({}, 1)


def test_its_own_profile_and_what_has_stopped_are_no_victims() -> None:
    own = replace(batch(0), profile="chat", spec=replace(batch(0).spec, name="chat/7", service="chat"))
    found, _ = preempting(chat(1), own, batch(1), batch(2), batch(3, wanted=Wanted.STOPPED))
    assert found.victims == {}


def test_every_preemption_is_a_step_that_says_for_whom_and_stays_its_profiles() -> None:
    found, desired = preempting(chat(3), batch(0), batch(1), batch(2, 3))
    plan = with_preemptions(plan_profile("chat", found.placed.specs, desired), found, "chat", desired)
    assert [(step.action, step.instance, step.preempted_for) for step in plan.steps] == [
        (Action.PREEMPT, "batch-0/0", "chat of chat"), (Action.PREEMPT, "batch-2-3/0", "chat of chat"),
        (Action.START, "chat/0", ""),
    ]  # fmt: skip
    (edit,) = plan.nodes
    one = edit.instances["batch-0/0"]
    assert (edit.expected_generation, one.profile, one.revision) == (7, "batch", 3)
    assert (one.spec.wanted, one.preempted_for) == (Wanted.STOPPED, "chat of chat")
    assert edit.instances["batch-1/0"] == desired["n"].instances["batch-1/0"]


def test_undoing_the_plan_brings_back_what_it_preempted() -> None:
    found, desired = preempting(chat(4), batch(0), batch(1))
    plan = with_preemptions(plan_profile("chat", found.placed.specs, desired), found, "chat", desired)
    now = replace(desired["n"], generation=8, instances=plan.nodes[0].instances)
    undo = plan_undo("n", now, desired["n"].instances, now.instances)
    assert undo.blockers == ()
    assert sorted((step.action, step.instance) for step in undo.steps) == [
        (Action.PRUNE, "chat/0"), (Action.START, "batch-0/0"), (Action.START, "batch-1/0"),
    ]  # fmt: skip
    assert undo.nodes[0].instances == desired["n"].instances


def test_starting_it_again_forgets_for_whom_it_was_stopped() -> None:
    gone = replace(batch(0, wanted=Wanted.STOPPED), preempted_for="chat of chat")
    (edit,) = plan_verb(Verb.START, [("n", "batch-0/0")], {"n": holding(gone)}).nodes
    assert edit.instances["batch-0/0"].preempted_for == ""


@st.composite
def tenants(draw: st.DrawFn) -> list[DesiredInstance]:
    """GPUs 0 to 3 in groups, some of them free."""
    groups: dict[int, list[int]] = {}
    for gpu in range(4):
        groups.setdefault(draw(st.integers(0, 4)), []).append(gpu)
    return [
        batch(*gpus, priority=draw(st.sampled_from([50, 100, 150])), preemptible=draw(st.booleans()))
        for group, gpus in sorted(groups.items()) if group
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(tenants(), st.integers(1, 4), st.integers(1, 2), st.sampled_from([50, 100, 150]), st.randoms())
def test_it_preempts_only_what_it_may_and_no_more_than_it_must(
    there: list[DesiredInstance], count: int, replicas: int, priority: int, order: Random
) -> None:
    profile = chat(count, replicas=replicas, priority=priority)
    found, desired = preempting(profile, *there)
    may = {one.spec.name for one in there if one.spec.preemptible and one.spec.priority < priority}
    assert stopped(found) <= may
    order.shuffle(there)
    assert preempting(profile, *there)[0] == found

    def fits(gone: set[str]) -> bool:
        left = holding(*(one for one in there if one.spec.name not in gone))
        return not place(profile, NODE, {"n": left}).unplaceable

    if found.placed.unplaceable:
        assert not found.victims
        assert not fits(may)
    else:
        assert fits(stopped(found))
        assert not any(
            fits(set(some)) for size in range(len(found.victims)) for some in combinations(sorted(may), size)
        )
        plan = with_preemptions(plan_profile("chat", found.placed.specs, desired), found, "chat", desired)
        assert {step.instance for step in plan.steps if step.action is Action.PREEMPT} == stopped(found)
