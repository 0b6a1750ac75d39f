"""Plans from what the store knows, applied per node, waited for until settled."""

import asyncio

import pytest
from msgspec.structs import replace

from agents import wire
from console.operations import ADHOC, Operations
from console.remote.errors import NodeUnreachable, RequestFailed
from console.settling import Settling
from console.store import NodeState, Store
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, PlaceRequest, Profile, Service, Wanted
from profiles.desired.restart import Restart
from profiles.observed.status import Phase, Reason
from profiles.plans.plan import Action, Plan
from profiles.plans.verb_plan import Verb
from tests.console.peer import instance, snapshot


class Nodes:
    """Requests as Fleet takes them; each node answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []
        self.answers: dict[str, list[object]] = {}

    async def request(self, node, body, kind, *, deadline_s=10.0, bulk=False):
        self.asked.append((node, body))
        answer = self.answers[node].pop(0) if self.answers.get(node) else wire.DesiredSet(generation=1)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return await answer()
        return answer


def desired(*names: str, profile: str = "p", wanted: Wanted = Wanted.RUNNING) -> Desired:
    return Desired(
        generation=5,
        instances={
            name: DesiredInstance(
                profile=profile,
                revision=1,
                spec=InstanceSpec(name=name, service=name.split("/")[0], engine="simulated", model="m", wanted=wanted),
            )
            for name in names
        },
    )


def filled(phase: Phase = Phase.READY, **more: Desired) -> tuple[Store, Nodes, Operations]:
    store = Store()
    for node, document in (more or {"a": desired("chat/0"), "b": desired("chat/1")}).items():
        store.add_node(node)
        store.receive(node, snapshot(*(instance(name, phase) for name in document.instances), desired=document))
    nodes = Nodes()
    return store, nodes, Operations(nodes, store)


async def settled(operations: Operations, plan: Plan, limit_s: float = 5.0) -> list[Settling]:
    return [now async for now in operations.wait_settled(plan, limit_s)]


async def test_a_verb_becomes_one_edit_per_node():
    _, nodes, operations = filled()
    plan = operations.propose(Verb.STOP, [("a", "chat/0"), ("b", "chat/1")])
    assert [step.action for step in plan.steps] == [Action.STOP, Action.STOP]
    assert [applied.ok for applied in await operations.apply(plan, "why")] == [True, True]
    node, body = nodes.asked[0]
    assert node == "a"
    assert isinstance(body, wire.SetDesired)
    assert (body.expected_generation, body.reason) == (5, "why")
    assert body.instances["chat/0"].spec.wanted is Wanted.STOPPED


async def test_a_lost_node_blocks_what_concerns_it():
    store, _, operations = filled()
    store.link("b", NodeState.UNREACHABLE, Reason("refused", "nothing listens", "see sshd"))
    plan = operations.propose(Verb.STOP, [("a", "chat/0"), ("b", "chat/1")])
    assert plan.blockers == (Reason("unreachable", "b: nothing listens", "see sshd"),)
    with pytest.raises(ValueError, match="blockers"):
        await operations.apply(plan, "why")


async def test_one_node_may_refuse_and_another_not():
    _, nodes, operations = filled()
    stale, gone = Reason("stale", "moved on"), Reason("lost", "gone")
    nodes.answers = {"a": [RequestFailed(stale, "a")], "b": [NodeUnreachable(gone, "b")]}
    plan = operations.propose(Verb.RESTART, [("a", "chat/0"), ("b", "chat/1")])
    first, second = await operations.apply(plan, "why")
    assert (first.ok, first.reason, first.unreachable) == (False, stale, False)
    assert (second.ok, second.reason, second.unreachable) == (False, gone, True)


def test_no_second_copy_is_placed_of_what_a_silent_node_may_still_run():
    store, _, operations = filled()
    profile = Profile(gpuyard=1, profile="p", services={"chat": Service(model="m", engine="simulated", replicas=2)})
    assert operations.propose_profile(profile).blockers == ()
    store.link("b", NodeState.UNREACHABLE)
    (blocker,) = operations.propose_profile(profile).blockers
    assert blocker.text == "b does not answer and may still run chat/1"
    assert (
        operations.propose_profile(replace(profile, profile="q", services={"rank": Service("m", "simulated")})).blockers
        == ()
    )


async def test_a_profile_is_placed_planned_and_prunes_its_own():
    _, _, operations = filled(a=desired("chat/0", "old/0"))
    service = Service(engine="simulated", model="m")
    plan = operations.propose_profile(Profile(gpuyard=1, profile="p", services={"chat": service}))
    assert {(step.action, step.instance) for step in plan.steps} == {(Action.KEEP, "chat/0"), (Action.PRUNE, "old/0")}


async def test_what_cannot_be_placed_is_a_blocker_and_keeps_what_it_has():
    _, _, operations = filled(a=desired("chat/0"))
    plan = operations.propose_profile(
        Profile(
            gpuyard=1,
            profile="p",
            services={"chat": Service(engine="simulated", model="m", place=PlaceRequest("site=x"))},
        )
    )
    assert plan.blockers[0].code == "unplaceable"
    assert plan.steps == ()


async def test_run_keeps_what_else_was_started_without_a_file():
    _, _, operations = filled(a=desired("one/0", profile=ADHOC))
    plan = operations.propose_run("two", Service(engine="simulated", model="m"))
    assert not plan.blockers
    assert {(step.action, step.instance) for step in plan.steps} == {(Action.KEEP, "one/0"), (Action.START, "two/0")}
    assert set(plan.nodes[0].instances) == {"one/0", "two/0"}


async def test_a_restart_is_settled_only_by_a_new_ready():
    store, _, operations = filled(a=desired("chat/0"))
    plan = operations.propose(Verb.RESTART, [("a", "chat/0")])
    await operations.apply(plan, "why")
    waiting = asyncio.create_task(settled(operations, plan))
    for phase, since in ((Phase.STOPPING, 2.0), (Phase.LOADING, 3.0), (Phase.READY, 4.0)):
        await asyncio.sleep(0.12)
        assert not waiting.done()
        store.receive("a", wire.Delta(at_unix_s=since, instances=(instance("chat/0", phase, since),)))
    seen = await waiting
    assert [now.status.phase for now in seen if now.status] == ["ready", "stopping", "loading", "ready"]
    assert [now.ok for now in seen] == [None, None, None, True]


async def test_an_old_failure_does_not_count_and_a_new_one_does():
    store, _, operations = filled(Phase.FAILED, a=desired("chat/0", wanted=Wanted.STOPPED))
    plan = operations.propose(Verb.START, [("a", "chat/0")])
    await operations.apply(plan, "why")
    waiting = asyncio.create_task(settled(operations, plan))
    await asyncio.sleep(0.12)
    assert not waiting.done()
    store.receive("a", wire.Delta(at_unix_s=9.0, instances=(instance("chat/0", Phase.FAILED, 9.0),)))
    assert (await waiting)[-1].ok is False


async def test_a_pruned_instance_is_settled_when_it_is_gone():
    store, _, operations = filled(a=desired("chat/0", "old/0"))
    plan = operations.propose_profile(
        Profile(gpuyard=1, profile="p", services={"chat": Service(engine="simulated", model="m")})
    )
    await operations.apply(plan, "why")
    waiting = asyncio.create_task(settled(operations, plan))
    await asyncio.sleep(0)
    store.receive("a", wire.Delta(at_unix_s=2.0, instances_gone=("old/0",)))
    assert (await waiting)[-1].ok is True


async def test_waiting_has_a_limit_that_says_how_far_it_came():
    _, _, operations = filled(a=desired("chat/0"))
    plan = operations.propose(Verb.STOP, [("a", "chat/0")])
    await operations.apply(plan, "why")
    last = (await settled(operations, plan, 0.0))[-1]
    assert last.ok is False
    assert last.reason is not None
    assert "still ready after 0 s" in last.reason.text


async def test_a_node_that_refuses_ends_the_wait():
    store, _, operations = filled(a=desired("chat/0"))
    plan = operations.propose(Verb.STOP, [("a", "chat/0")])
    await operations.apply(plan, "why")
    store.link("a", NodeState.REFUSED, Reason("host_key_changed", "changed"))
    last = (await settled(operations, plan))[-1]
    assert (last.ok, last.reason) == (False, Reason("host_key_changed", "changed"))


async def test_starting_what_failed_is_a_new_attempt():
    _, nodes, operations = filled(Phase.FAILED, a=desired("chat/0"))
    plan = operations.propose(Verb.START, [("a", "chat/0")])
    assert [step.action for step in plan.steps] == [Action.START]
    await operations.apply(plan, "why")
    body = next(body for _, body in nodes.asked if isinstance(body, wire.SetDesired))
    assert body.instances["chat/0"].spec.restarts_asked == 1


async def test_a_drain_is_settled_once_it_is_empty():
    store, _, operations = filled(a=desired("chat/0"))
    plan = operations.propose(Verb.DRAIN, [("a", "chat/0")])
    await operations.apply(plan, "why")
    waiting = asyncio.create_task(settled(operations, plan))
    for code in ("draining", "empty"):
        await asyncio.sleep(0.12)
        assert not waiting.done()
        status = replace(instance("chat/0", Phase.DRAINING, 2.0), reason=Reason(code, code))
        store.receive("a", wire.Delta(at_unix_s=2.0, instances=(status,)))
    assert [(now.status.phase, now.ok) for now in await waiting if now.status] == [
        ("ready", None), ("draining", None), ("draining", True)
    ]  # fmt: skip


def later(document: Desired, **instances: InstanceSpec | None) -> wire.Delta:
    """Somebody's edit two generations on: `chat` stands for chat/0, None takes it out."""
    merged = dict(document.instances)
    for service, spec in instances.items():
        if spec is None:
            del merged[f"{service}/0"]
        else:
            merged[f"{service}/0"] = DesiredInstance(profile="p", revision=2, spec=spec)
    return wire.Delta(
        at_unix_s=3.0,
        desired=Desired(generation=document.generation + 2, instances=merged, author="bob", reason="stop chat"),
    )


async def test_a_step_that_somebody_took_back_is_superseded():
    document = desired("chat/0", "rag/0", wanted=Wanted.STOPPED)
    store, _, operations = filled(Phase.STOPPED, a=document)
    plan = operations.propose(Verb.START, [("a", "chat/0"), ("a", "rag/0")])
    await operations.apply(plan, "why")
    waiting = asyncio.create_task(settled(operations, plan))
    await asyncio.sleep(0.12)
    assert not waiting.done()
    chat, rag = (replace(document.instances[name].spec, wanted=Wanted.RUNNING) for name in ("chat/0", "rag/0"))
    store.receive("a", later(document, chat=chat, rag=replace(rag, wanted=Wanted.STOPPED)))
    await asyncio.sleep(0.12)
    assert not waiting.done(), "the other step is still wanted"
    store.receive("a", wire.Delta(at_unix_s=4.0, instances=(instance("chat/0", Phase.READY, 4.0),)))
    ended = {now.step.instance: now for now in await waiting if now.ok is not None}
    assert (ended["chat/0"].ok, ended["rag/0"].ok) == (True, False)
    assert ended["rag/0"].reason == Reason(
        "superseded", "superseded by bob (stop chat)", "see `gpuyard revisions a`"
    )  # fmt: skip


@pytest.mark.parametrize("verb", [Verb.START, Verb.RESTART, Verb.STOP])
async def test_a_step_whose_instance_was_pruned_is_superseded(verb):
    document = desired("chat/0", wanted=Wanted.STOPPED if verb is Verb.START else Wanted.RUNNING)
    store, _, operations = filled(Phase.LOADING, a=document)
    plan = operations.propose(verb, [("a", "chat/0")])
    await operations.apply(plan, "why")
    gone = later(document, chat=None)
    store.receive("a", wire.Delta(at_unix_s=3.0, desired=gone.desired, instances_gone=("chat/0",)))
    last = (await settled(operations, plan))[-1]
    assert (last.ok, last.reason and last.reason.code) == (False, "superseded")


async def test_a_later_edit_that_only_changes_things_live_supersedes_nothing():
    document = desired("chat/0", wanted=Wanted.STOPPED)
    store, _, operations = filled(Phase.STOPPED, a=document)
    plan = operations.propose(Verb.START, [("a", "chat/0")])
    await operations.apply(plan, "why")
    spec = replace(document.instances["chat/0"].spec, wanted=Wanted.RUNNING, restart=Restart(max_exits=9))
    store.receive("a", later(document, chat=spec))
    store.receive("a", wire.Delta(at_unix_s=4.0, instances=(instance("chat/0", Phase.READY, 4.0),)))
    assert (await settled(operations, plan))[-1].ok is True
