"""Gateways in profiles: bad keys, where they run, and what a plan does with them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiles.desired.gateway import Gateway, Relay
from profiles.desired.model import Cordon, Desired, Profile
from profiles.files.jsonschema import profile_schema
from profiles.files.load import parse_profile
from profiles.placing.place import Placement, Unplaceable, place
from profiles.plans.plan import Action
from profiles.plans.profile_plan import plan_profile
from profiles.revisions.undo import plan_undo
from profiles.text.yamltext import FileError, read
from tests.profiles.test_place import node

HEAD = """\
gpuyard: 1
profile: p
services:
  chat: {engine: vllm, model: m, replicas: 2}
  next: {engine: vllm, model: m}
  other: {engine: vllm, model: m2}
gateway:
"""
GOOD = "  front: {node: a, port: 8000, serve: {chat: 95, next: 5}}"

BAD = [
    (
        "  front: {node: a, port: 8000, serve: {chat: 1, other: 1}}",
        "8:49: `other` serves `m2`, `chat` serves `m`: a client asks for one of them",
    ),
    ("  Front: {node: a, port: 8000, serve: {chat: 1}}", "8:3: `Front` cannot name a gateway"),
    ("  chat: {node: a, port: 8000, serve: {chat: 1}}", "8:3: `chat` is a service of this profile"),
    ("  front: {port: 8000, serve: {chat: 1}}", "8:3: `node` is missing"),
    ("  front: {node: a, port: 80, serve: {chat: 1}}", "8:26: 80 is no port for an engine"),
    ("  front: {node: a, port: 8000, serve: {}}", "8:39: it serves nothing"),
    ("  front: {node: a, port: 8000, serve: {caht: 1}}", "8:40: no service is called `caht`"),
    ("  front: {node: a, port: 8000, serve: {chat: 257}}", "8:46: a weight must be 0 to 256, not 257"),
    ("  front: {node: a, port: 8000, serve: {chat: 0}}", "8:39: no service has a weight: nothing would be served"),
    ("  front: {node: a, port: 8000, serve: {chat: 5%}}", "8:46: expected a whole number, found text"),
    (f"{GOOD}\n  side: {{node: a, port: 8000, serve: {{chat: 1}}}}", "9:25: `front` has port 8000 of a already"),
    ("  front: {node: a, port: 8000, serve: {chat: 1}, reload: true}", "8:50: unknown key `reload`"),
]


def profile(tmp_path: Path, gateways: str = GOOD) -> Profile:
    path = tmp_path / "p.yaml"
    path.write_text(f"{HEAD}{gateways}\n")
    return parse_profile(read(path))


def put(profile: Profile, *nodes: str, desired: dict[str, Desired] | None = None) -> Placement:
    return place(profile, {name: node(name, gpus=0) for name in nodes}, desired or {})


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_gateways(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError) as raised:
        profile(tmp_path, text)
    assert f"{raised.value.line}:{raised.value.column}: {raised.value.message}" == message


def test_a_gateway_is_an_instance_of_its_node_without_gpus(tmp_path: Path) -> None:
    placed = put(profile(tmp_path), "a")
    front = next(spec for spec in placed.specs["a"] if spec.gateway)
    assert (front.name, front.engine, front.port, front.slices) == ("front/0", "haproxy", 8000, ())
    assert front.gateway == Gateway(serve={"chat": 95, "next": 5})


def test_why_a_gateway_cannot_be_had(tmp_path: Path) -> None:
    elsewhere = profile(tmp_path, GOOD.replace("node: a", "node: b"))
    assert put(elsewhere, "a").unplaceable == (Unplaceable("front", "its node b is not up", "up: a"),)
    cordoned = {"b": Desired(cordons={"": Cordon(author="ann")})}
    placed = place(elsewhere, {"a": node("a", gpus=0), "b": node("b", gpus=0)}, cordoned)
    assert placed.unplaceable[0].reason.startswith("b: the node is cordoned by ann")


def spread(tmp_path: Path, *, bind: str = "", before: dict[str, Desired] | None = None) -> Placement:
    """The gateway and `next` on a, `chat` on b and c, whose admins approved the address `bind`."""
    text = HEAD.replace("replicas: 2}", "replicas: 3, place: {nodes: b | c, spread: node}}")
    text = text.replace("next: {engine: vllm, model: m}", "next: {engine: vllm, model: m, place: {nodes: a}}")
    path = tmp_path / "p.yaml"
    path.write_text(f"{text}{GOOD}\n")
    nodes = {name: replace(node(name, gpus=0), bind=bind) for name in ("a", "b", "c")}
    return place(parse_profile(read(path)), nodes, before or {})


def test_replicas_on_other_nodes_are_reached_through_a_relay_of_each(tmp_path: Path) -> None:
    placed = spread(tmp_path, bind="10.0.0.5")
    assert placed.unplaceable == ()
    gateways = {node: [spec for spec in specs if spec.gateway] for node, specs in placed.specs.items()}
    front = gateways["a"][0]
    assert (front.name, front.bind) == ("front/0", "")
    assert front.gateway == Gateway(
        serve={"chat": 95, "next": 5},
        relays=(
            Relay(instance="front/1", host="10.0.0.5", port=8000, replicas={"chat": 2}),
            Relay(instance="front/2", host="10.0.0.5", port=8000, replicas={"chat": 1}),
        ),
    )
    relays = [gateways["b"][0], gateways["c"][0]]
    assert [(one.name, one.bind, one.port) for one in relays] == [
        ("front/1", "10.0.0.5", 8000), ("front/2", "10.0.0.5", 8000),
    ]  # fmt: skip
    assert all(one.gateway and one.gateway.is_relay for one in relays)
    planned = plan_profile("p", placed.specs, dict.fromkeys("abc", Desired()))
    kept = {edit.node: Desired(generation=1, instances=edit.instances) for edit in planned.nodes}
    again = plan_profile("p", spread(tmp_path, bind="10.0.0.5", before=kept).specs, kept)
    assert not again.changes_anything
    moved = spread(tmp_path, bind="10.0.0.6", before=kept)
    steps = {one.instance: one for one in plan_profile("p", moved.specs, kept).steps}
    assert steps["front/1"].action is Action.REPLACE
    assert steps["front/0"].action is Action.LIVE
    assert steps["front/0"].changes[0].new == "10.0.0.6:8000 chat×2"


def test_nothing_listens_for_other_machines_where_no_admin_said_so(tmp_path: Path) -> None:
    found = spread(tmp_path).unplaceable
    assert [one.reason for one in found] == [
        "it runs on a, and replicas on b, whose admin approved no address for a relay"
    ]
    bound = profile(tmp_path, GOOD.replace("}}", "}, bind: true}"))
    assert put(bound, "a").unplaceable[0].reason == "a: its admin approved no address where it may listen"
    here = {"a": replace(node("a", gpus=0), bind="10.0.0.5")}
    assert next(one.bind for one in place(bound, here).specs["a"] if one.gateway) == "10.0.0.5"


def test_its_weights_change_live_its_port_does_not_and_it_goes_with_its_profile(tmp_path: Path) -> None:
    before = put(profile(tmp_path), "a")
    started = plan_profile("p", before.specs, {"a": Desired()})
    assert {step.instance: step.action for step in started.steps}["front/0"] is Action.START
    now = {"a": Desired(generation=1, instances=started.nodes[0].instances)}

    def step(text: str) -> tuple[Action, tuple[tuple[str, str, str], ...]]:
        specs = put(profile(tmp_path, text), "a", desired=now).specs
        found = next(one for one in plan_profile("p", specs, now).steps if one.instance == "front/0")
        return found.action, tuple((one.key, one.old, one.new) for one in found.changes)

    assert step(GOOD) == (Action.KEEP, ())
    assert step(GOOD.replace("next: 5", "next: 50")) == (Action.LIVE, (("gateway.next", "5", "50"),))
    assert step(GOOD.replace("95, next: 5", "100")) == (
        Action.LIVE, (("gateway.chat", "95", "100"), ("gateway.next", "5", "")),
    )  # fmt: skip
    assert step(GOOD.replace("8000", "8001")) == (Action.REPLACE, (("port", "8000", "8001"),))
    gone = plan_profile("p", {"a": [spec for spec in before.specs["a"] if not spec.gateway]}, now)
    assert {one.instance: one.action for one in gone.steps}["front/0"] is Action.PRUNE


def test_what_is_undone_of_a_gateway_is_live_as_well(tmp_path: Path) -> None:
    before = plan_profile("p", put(profile(tmp_path), "a").specs, {"a": Desired()}).nodes[0].instances
    now = {"a": Desired(generation=1, instances=before)}
    heavier = put(profile(tmp_path, GOOD.replace("next: 5", "next: 50")), "a", desired=now)
    after = plan_profile("p", heavier.specs, now).nodes[0].instances
    undone = plan_undo("a", Desired(generation=2, instances=after), before, after)
    assert [(step.instance, step.action) for step in undone.steps] == [("front/0", Action.LIVE)]
    assert undone.nodes[0].instances["front/0"].spec.gateway == Gateway(serve={"chat": 95, "next": 5})


def test_another_model_may_answer_to_the_same_name(tmp_path: Path) -> None:
    text = HEAD.replace("model: m2", "model: m2, served_as: m")
    path = tmp_path / "p.yaml"
    path.write_text(f"{text}  front: {{node: a, port: 8000, serve: {{chat: 1, other: 1}}}}\n")
    found = {spec.name: spec.served_as for spec in put(parse_profile(read(path)), "a").specs["a"]}
    assert (found["other/0"], found["chat/0"]) == ("m", "")


def test_editors_know_the_key() -> None:
    assert "GatewayRequest" in str(profile_schema()["$defs"])
