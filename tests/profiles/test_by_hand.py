"""Edits by hand of what a profile started: more replicas, other places, single keys."""

import pytest
from msgspec.structs import replace

from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Cordon, Defaults, Desired, InstanceSpec, PlaceRequest, Profile, Service
from profiles.latency.objectives import SloRequest
from profiles.observed.status import NodeStatus
from profiles.placing.place import place
from profiles.plans.moving import plan_drain, plan_move
from profiles.plans.plan import Action, Plan
from profiles.plans.scaling import plan_scale
from profiles.plans.setting import edited
from profiles.text.document import FileError, Plain
from tests.profiles.machines import A100, applied, cluster, node

CHAT = Service(model="m", gpus=GpuRequest(count=4), replicas=2, port=8000, options={"max_num_seqs": 64})


def running(nodes: dict[str, NodeStatus], **services: Service) -> dict[str, Desired]:
    placed = place(Profile(1, "p", services, defaults=Defaults("vllm")), nodes)
    assert not placed.unplaceable
    return {name: Desired() for name in nodes} | applied(placed)


def after(plan: Plan, desired: dict[str, Desired]) -> dict[str, Desired]:
    return desired | {edit.node: Desired(instances=edit.instances) for edit in plan.nodes}


def specs(desired: dict[str, Desired]) -> dict[str, tuple[str, InstanceSpec]]:
    return {name: (at, owned.spec) for at, one in desired.items() for name, owned in one.instances.items()}


def held(desired: dict[str, Desired]) -> list[str]:
    return [uuid for _, spec in specs(desired).values() for uuid in spec.gpus()]


def test_more_replicas_are_like_the_first_and_fewer_are_the_first() -> None:
    nodes = cluster(node("a"), node("b"), node("c", board=A100))
    desired = running(nodes, chat=CHAT)
    grown = after(plan_scale("p", "chat", 4, nodes, desired, {}), desired)
    assert sorted(specs(grown)) == ["chat/0", "chat/1", "chat/2", "chat/3"]
    assert {spec.port for _, spec in specs(grown).values()} == {8000, 8001, 8002, 8003}
    assert {len(spec.slices) for _, spec in specs(grown).values()} == {4}
    assert len(held(grown)) == len(set(held(grown)))
    assert {at for at, _ in specs(grown).values()} == {"a", "b"}  # four H100, as the first has

    shrunk = plan_scale("p", "chat", 1, nodes, grown, {})
    assert [(step.action, step.instance) for step in shrunk.steps if step.action is not Action.KEEP] == [
        (Action.PRUNE, "chat/1"), (Action.PRUNE, "chat/2"), (Action.PRUNE, "chat/3"),
    ]  # fmt: skip
    assert specs(after(shrunk, grown))["chat/0"] == specs(desired)["chat/0"]


def test_a_gap_in_the_numbers_is_filled_and_nothing_else_is_touched() -> None:
    nodes = cluster(node("a"), node("b"))
    desired = running(nodes, chat=replace(CHAT, replicas=3))
    at = specs(desired)["chat/1"][0]
    desired[at] = Desired(instances={k: v for k, v in desired[at].instances.items() if k != "chat/1"})
    plan = plan_scale("p", "chat", 3, nodes, desired, {})
    assert [(step.instance, step.action) for step in plan.steps if step.action is not Action.KEEP] == [
        ("chat/1", Action.START)
    ]
    assert specs(after(plan, desired))["chat/1"][1].port == 8001


@pytest.mark.parametrize(("replicas", "code"), [(0, "invalid"), (-1, "invalid"), (5, "unplaceable")])
def test_what_cannot_be_scaled_is_told(replicas: int, code: str) -> None:
    nodes = cluster(node("a"), node("b"))
    plan = plan_scale("p", "chat", replicas, nodes, running(nodes, chat=CHAT), {})
    assert [blocker.code for blocker in plan.blockers] == [code]
    assert not plan.nodes
    assert plan_scale("p", "chit", 1, nodes, {}, {}).blockers[0].code == "not_found"


def test_an_instance_moves_to_another_node_with_all_that_it_is() -> None:
    nodes = cluster(node("a"), node("b"))
    desired = running(nodes, chat=replace(CHAT, replicas=1))
    at, before = specs(desired)["chat/0"]
    plan = plan_move("move", [(at, "chat/0")], nodes, desired, {})
    assert [(step.action, step.from_node) for step in plan.steps] == [(Action.MOVE, at)]
    where, now = specs(after(plan, desired))["chat/0"]
    assert where != at
    assert replace(now, slices=()) == replace(before, slices=())
    assert len(plan.nodes) == 2


def test_a_move_within_a_node_goes_to_the_gpus_that_are_named() -> None:
    nodes = cluster(node("a"))
    desired = running(nodes, chat=replace(CHAT, replicas=1))
    free = frozenset(f"a-{index}" for index in range(8)) - set(held(desired))
    plan = plan_move("move", [("a", "chat/0")], nodes, desired, {}, to={"a": free})
    assert set(held(after(plan, desired))) == free
    assert [step.action for step in plan.steps] == [Action.MOVE]


def test_draining_a_node_moves_all_and_says_what_finds_no_place() -> None:
    nodes = cluster(node("a"), node("b"))
    desired = running(nodes, big=replace(CHAT, replicas=2), small=Service(model="m", gpus=GpuRequest(memory="8GiB")))
    full = next(at for at, one in desired.items() if len(one.instances) >= 2)
    names = [(full, name) for name in desired[full].instances]
    plan = plan_drain([full], nodes, desired, {}, reason="fan")
    assert (plan.steps[0].action, plan.steps[0].node) == (Action.CORDON, full)
    assert next(edit.cordons for edit in plan.nodes if edit.node == full) == {"": Cordon(reason="fan")}
    left = {name for _, name in names} - {step.instance for step in plan.steps[1:]}
    assert {blocker.text.partition(":")[0] for blocker in plan.blockers} == left
    now = held(after(plan, desired))
    assert len(now) == len(set(now))


def test_what_the_profile_says_of_its_place_holds_for_a_move() -> None:
    nodes = cluster(node("a"), node("b"), node("c"))
    desired = running(nodes, chat=replace(CHAT, replicas=1))
    at = specs(desired)["chat/0"][0]
    wanted = max(set(nodes) - {at})
    plan = plan_move("move", [(at, "chat/0")], nodes, desired, {}, {("p", "chat"): PlaceRequest(nodes=wanted)})
    assert specs(after(plan, desired))["chat/0"][0] == wanted
    desired[wanted] = Desired(cordons={"": Cordon(reason="fan")})
    blocked = plan_move("move", [(at, "chat/0")], nodes, desired, {}, {("p", "chat"): PlaceRequest(nodes=wanted)})
    assert "needs 4 free H100" in blocked.blockers[0].text
    assert "cordoned" in blocked.blockers[0].hint


SPEC = InstanceSpec(
    name="chat/0", service="chat", engine="vllm", model="m", options={"max_num_seqs": 64}, env={"A": "1", "B": "2"},
    slo=SloRequest(ttft_p95="800ms", errors="0.1%", min_ready=1).slo(2),
)  # fmt: skip


def test_keys_are_set_in_the_words_of_a_profile() -> None:
    given: dict[str, Plain] = {
        "max_num_seqs": 96, "options.max_model_len": 4096, "env.A": "3", "priority": "high", "model": "n",
        "slo.ttft_p95": "500ms", "slo.itl_p95": "50ms", "resources.memory": "64GiB", "restart.max": 2,
    }  # fmt: skip
    new = edited(SPEC, given, ["env.B", "slo.errors"], replicas=2)
    assert new.options == {"max_num_seqs": 96, "max_model_len": 4096}
    assert (new.env, new.priority, new.model) == ({"A": "3"}, 150, "n")
    assert {one.name: one.target_s for one in new.slo.latency} == {"ttft_p95": 0.5, "itl_p95": 0.05}
    assert (new.slo.errors_ratio, new.slo.min_ready) == (None, 1)
    assert (new.limits.memory_mib, new.restart.max_exits, new.restart.window_s) == (65_536, 2, 600.0)


def test_what_is_not_said_stays() -> None:
    assert edited(SPEC, {}, []) == SPEC
    assert edited(SPEC, {"priority": "low"}, []) == replace(SPEC, priority=50)


@pytest.mark.parametrize(
    ("given", "off", "text"),
    [
        ({"max_num_seq": 96}, [], "vllm has no option `max_num_seq`"),
        ({"max_num_seqs": "many"}, [], "max_num_seqs"),
        ({"replicas": 3}, [], "`replicas` is not set one by one"),
        ({"gpus.count": 3}, [], "`gpus` is not set one by one"),
        ({"slo.ttft_p95": "fast"}, [], "`fast` is no time"),
        ({"slo.min_ready": 9}, [], "`min_ready` is 9 of 2 replicas"),
        ({"env.A": "hf_abcdefgh12345678"}, [], "looks like a secret"),
        ({"priority": "urgent"}, [], "`urgent` is no priority"),
        ({}, ["env.C"], "has no env.C"),
        ({}, ["model"], "`model` cannot be taken off"),
    ],
)
def test_what_a_profile_refuses_is_refused(given: dict[str, Plain], off: list[str], text: str) -> None:
    with pytest.raises(FileError) as caught:
        edited(SPEC, given, off, replicas=2)
    assert text in caught.value.message
