"""Where replicas go when they may choose: whole GPUs, parts of them, nodes; who stays; what is said when none fits."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engines.devices import Enforcer, Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import (
    Cordon,
    Defaults,
    Desired,
    DesiredInstance,
    InstanceSpec,
    PlaceRequest,
    Profile,
    Service,
    Wanted,
)
from profiles.gpu.account import account, tenants
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import GpuState, NodeStatus
from profiles.placing.place import Placement, Unplaceable, place
from tests.profiles import readings
from tests.profiles.machines import H100, T4, applied, cluster, node


def put_all(
    nodes: Mapping[str, NodeStatus], services: dict[str, Service], desired: Mapping[str, Desired] | None = None
) -> Placement:
    return place(Profile(1, "p", services, defaults=Defaults("vllm")), nodes, desired or {})


def put(
    nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired] | None = None, **services: Service
) -> Placement:
    return put_all(nodes, services, desired)


def where(placed: Placement) -> dict[str, str]:
    """`fra-1/0,1` by instance."""
    assert not placed.unplaceable
    return {
        spec.name: f"{on}/{','.join(str(part.gpu_index) for part in spec.slices)}"
        for on, specs in placed.specs.items()
        for spec in specs
    }


ANYWHERE, SPREAD = PlaceRequest(), PlaceRequest(spread="node")


def whole(count: int, replicas: int = 1, kind: str | None = None, place: PlaceRequest = ANYWHERE) -> Service:
    return Service("m", replicas=replicas, gpus=GpuRequest(count=count, type=kind), place=place)


def memory(size: str, replicas: int = 1, place: PlaceRequest = ANYWHERE) -> Service:
    return Service("m", replicas=replicas, gpus=GpuRequest(memory=size), place=place)


def taken(uuid: str, index: int) -> Desired:
    spec = InstanceSpec(
        name="x/0", service="x", engine="vllm", model="m", slices=(Slice(gpu_uuid=uuid, gpu_index=index),)
    )
    return Desired(instances={"x/0": DesiredInstance(profile="other", revision=1, spec=spec)})


def test_whole_gpus_are_near_each_other_and_leave_near_ones_together() -> None:
    assert where(put(cluster(node("a")), chat=whole(4, 2))) == {"chat/0": "a/0,1,2,3", "chat/1": "a/4,5,6,7"}
    assert where(put(cluster(node("a")), {"a": taken("a-0", 0)}, chat=whole(2))) == {"chat/0": "a/2,3"}
    assert where(put(cluster(node("a")), {"a": taken("a-0", 0)}, one=whole(1), two=whole(4))) == {
        "two/0": "a/4,5,6,7", "one/0": "a/1",
    }  # fmt: skip


def test_the_node_with_the_least_to_spare_is_used_or_all_of_them() -> None:
    nodes = cluster(node("a", 8), node("b", 2), node("c", 4))
    assert where(put(nodes, chat=whole(2, 3))) == {"chat/0": "b/0,1", "chat/1": "c/0,1", "chat/2": "c/2,3"}
    spread = where(put(nodes, chat=whole(2, 3, place=SPREAD)))
    assert spread == {"chat/0": "a/0,1", "chat/1": "c/0,1", "chat/2": "b/0,1"}


def test_parts_fill_the_fullest_gpu_that_has_room_or_are_spread() -> None:
    nodes = cluster(node("a", 2))
    first = put(nodes, x=memory("40GiB"))
    assert where(first) == {"x/0": "a/0"}
    both = Profile(1, "q", {"y": memory("20GiB"), "z": memory("60GiB")}, defaults=Defaults("vllm"))
    assert where(place(both, nodes, applied(first))) == {"y/0": "a/0", "z/0": "a/1"}
    assert where(put(nodes, x=memory("20GiB", 2, place=SPREAD))) == {"x/0": "a/0", "x/1": "a/1"}


def test_type_and_labels_choose() -> None:
    nodes = cluster(node("a", board=T4), node("b"), node("c"))
    labels = {"b": {"site": "fra"}, "c": {"site": "ams"}}
    assert where(put(nodes, chat=whole(1, kind="H100"))) == {"chat/0": "b/0"}
    services = {
        "chat": whole(1, place=PlaceRequest("site & !site=fra")),
        "edge": Service("m", replicas=3, place=PlaceRequest("site")),
    }
    found = where(place(Profile(1, "p", services, defaults=Defaults("vllm")), nodes, {}, labels))
    assert found == {"chat/0": "c/0", "edge/0": "b/", "edge/1": "c/", "edge/2": "b/"}


def test_what_runs_stays_whatever_would_be_better_now() -> None:
    nodes = cluster(node("b", 8))
    running = applied(put(nodes, chat=whole(2, 2)))
    more = cluster(node("a", 2), node("b", 8))
    assert where(put(more, running, chat=whole(2, 3))) == {"chat/0": "b/0,1", "chat/1": "b/2,3", "chat/2": "a/0,1"}
    cordoned = {"b": replace(running["b"], cordons={"": Cordon()})}
    assert where(put(more, cordoned, chat=whole(2, 3)))["chat/0"] == "b/0,1"
    stopped = replace(running["b"].instances["chat/0"].spec, wanted=Wanted.STOPPED)
    owned = {"b": Desired(instances={"chat/0": replace(running["b"].instances["chat/0"], spec=stopped)})}
    assert where(put(more, owned, chat=whole(2)))["chat/0"] == "b/0,1"


def test_it_moves_when_it_may_not_be_there_does_not_fit_or_its_gpu_is_lost() -> None:
    nodes = cluster(node("a", 2), node("b", 2))
    running = applied(put(nodes, x=memory("40GiB", 1)))
    assert where(put(nodes, running, x=memory("40GiB", place=PlaceRequest("b")))) == {"x/0": "b/0"}
    assert where(put(nodes, running, x=whole(2))) == {"x/0": "a/0,1"}
    other, *rest = nodes["a"].gpus
    lost = cluster(replace(nodes["a"], gpus=(replace(other, state=GpuState.LOST), *rest)), nodes["b"])
    assert where(put(lost, running, x=memory("40GiB"))) == {"x/0": "a/1"}
    ill = cluster(replace(nodes["a"], gpus=(replace(other, health=GpuHealth.DRAIN), *rest)), nodes["b"])
    assert where(put(ill, running, x=memory("40GiB"))) == {"x/0": "a/0"}, "ill health is for a person to judge"


def test_strangers_claims_and_ill_health_are_kept_away_from() -> None:
    stranger = readings.process(40_000)
    busy = readings.gpu(0, stranger, uuid="a-0", name=H100)
    nodes = cluster(replace(node("a", 3), gpus=(busy, *node("a", 3).gpus[1:])))
    assert where(put(nodes, x=memory("20GiB"))) == {"x/0": "a/1"}
    assert where(put(nodes, x=whole(2))) == {"x/0": "a/1,2"}
    ill = replace(nodes["a"], gpus=(busy, replace(nodes["a"].gpus[1], health=GpuHealth.DEGRADED), nodes["a"].gpus[2]))
    assert where(put(cluster(ill), x=memory("20GiB"))) == {"x/0": "a/2"}
    cordons = {"a": Desired(cordons={"a-2": Cordon(gpu_index=2)})}
    assert where(put(cluster(ill), cordons, x=memory("20GiB"))) == {"x/0": "a/0"}, "better beside a stranger than not"


FULL = {"a": taken("a-0", 0)}


@pytest.mark.parametrize(
    ("service", "desired", "reason", "hint"),
    [
        (whole(4), FULL, "needs 4 free GPUs on one node, best is a with 3",
         "a: GPU 0 is not free: x/0 has it"),
        (whole(8, kind="H100"), {}, "needs 8 free H100 on one node, best is a with 4", "see `gpuyard gpus`"),
        (whole(1, kind="A100"), {}, "no A100 is on any of the 2 nodes that it may use", "there are: 4 H100, 2 T4"),
        (whole(4, 2), {}, "needs 4 free GPUs on one node, best is b with 2; 1 of 2 replicas fit", "see `gpuyard gpus`"),
        (memory("100GiB"), {}, "needs 102,400 MiB of one GPU, best is a/0 with 80,444",
         "a: needs 102,400 MiB of GPU 0, which has 80,444 at most"),
        (Service("m", gpus=GpuRequest(mig="1g.10gb")), {}, "needs a free 1g.10gb, none of 2 nodes has it",
         "a: GPU 0 has no free 1g.10gb"),
        (whole(1, place=PlaceRequest("site=x")), {}, "no node that is up fits `site=x`", "up: a, b"),
    ],
)  # fmt: skip
def test_why_not_with_the_nearest_fit(service: Service, desired: dict[str, Desired], reason: str, hint: str) -> None:
    nodes = cluster(node("a", 4), node("b", 2, T4))
    assert put(nodes, desired, chat=service).unplaceable == (Unplaceable("chat", reason, hint),)


def test_a_cordon_is_named() -> None:
    desired = {"a": Desired(cordons={"": Cordon(author="ops", reason="fan")})}
    for service in (Service("m"), whole(1)):
        (found,) = put(cluster(node("a")), desired, x=service).unplaceable
        assert "the node is cordoned by ops (fan)" in f"{found.reason} {found.hint}"


def test_who_comes_first_is_placed_first() -> None:
    services = {"small": whole(1), "urgent": replace(whole(1), priority="high"), "large": whole(2)}
    found = put_all(cluster(node("a", 2)), services)
    assert [one.service for one in found.unplaceable] == ["large"]
    assert where(replace(found, unplaceable=())) == {"urgent/0": "a/0", "small/0": "a/1"}


REQUESTS = st.one_of(
    st.none(),
    st.builds(GpuRequest, count=st.integers(1, 4), type=st.sampled_from([None, "H100", "T4"])),
    st.builds(GpuRequest, memory=st.sampled_from(["1GiB", "12GiB", "40GiB"]), count=st.sampled_from([None, 2])),
    st.builds(GpuRequest, portion=st.sampled_from([0.25, 0.5, 1.0])),
)
SERVICES = st.dictionaries(
    st.sampled_from(["w", "x", "y", "z"]),
    st.builds(Service, model=st.just("m"), replicas=st.integers(1, 3), gpus=REQUESTS,
              place=st.builds(PlaceRequest, spread=st.sampled_from([None, "node"]))),
    min_size=1,
)  # fmt: skip
SHAPES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.tuples(st.integers(0, 4), st.sampled_from([H100, T4])), min_size=1
)
Shapes = dict[str, tuple[int, str]]


def made(shapes: Shapes) -> dict[str, NodeStatus]:
    return {name: node(name, gpus, board) for name, (gpus, board) in shapes.items()}


def shuffled(nodes: Mapping[str, NodeStatus]) -> dict[str, NodeStatus]:
    return {
        name: replace(one, gpus=one.gpus[::-1], gpu_cards=one.gpu_cards[::-1])
        for name, one in reversed(list(nodes.items()))
    }


@given(SERVICES, SHAPES)
@settings(max_examples=60, deadline=None)
def test_never_more_than_a_gpu_has_and_never_two_where_one_has_all(
    services: dict[str, Service], shapes: Shapes
) -> None:
    nodes = made(shapes)
    for on, specs in put_all(nodes, services).specs.items():
        held = {spec.name: spec.slices for spec in specs}
        for gpu in nodes[on].gpus:
            there = tenants(gpu, held)
            found = account(gpu, there)
            assert found.allocatable_mib is not None
            assert found.taken_mib <= found.allocatable_mib
            assert len(there) < 2 or not any(part.whole for parts in there.values() for part in parts)


@given(SERVICES, SHAPES)
@settings(max_examples=60, deadline=None)
def test_the_order_of_nodes_gpus_and_services_does_not_matter(services: dict[str, Service], shapes: Shapes) -> None:
    nodes = made(shapes)
    assert put_all(nodes, services) == put_all(shuffled(nodes), dict(reversed(services.items())))


def test_gpus_that_are_shared_otherwise_are_not_alike() -> None:
    """As much is taken of each, by one tenant."""
    there = {}
    for index, by in enumerate((Enforcer.ENGINE_FLAG, Enforcer.MPS)):
        part = Slice(gpu_uuid=f"a-{index}", gpu_index=index, memory_mib=12_288, memory_enforcer=by)
        spec = InstanceSpec(name=f"{by}/0", service=by, engine="vllm", model="m", slices=(part,))
        there[spec.name] = DesiredInstance(profile="other", revision=1, spec=spec)
    by_mps = Service("m", gpus=GpuRequest(memory="12GiB", enforce="mps"))
    for service, home in ((memory("12GiB"), "a/0"), (by_mps, "a/1")):
        assert where(put(cluster(node("a", 2)), {"a": Desired(instances=there)}, x=service)) == {"x/0": home}


@given(SERVICES, SERVICES, SHAPES)
@settings(max_examples=60, deadline=None)
def test_what_is_found_once_for_all_that_are_alike_is_what_each_would_say(
    theirs: dict[str, Service], services: dict[str, Service], shapes: Shapes
) -> None:
    """GPUs with tenants too, and each is told of by its own."""
    nodes = made(shapes)
    there = {
        on: Desired(
            instances={f"other-{name}": replace(owned, profile="other") for name, owned in one.instances.items()}
        )
        for on, one in applied(put_all(nodes, theirs)).items()
    }
    found = put_all(nodes, services, there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("profiles.gpu.account._alike", lambda *_: None)
        assert put_all(nodes, services, there) == found


def homes(placed: Placement) -> dict[str, Sequence[str]]:
    return {spec.name: (on, *spec.gpus()) for on, specs in placed.specs.items() for spec in specs}


@given(SERVICES, SHAPES, SHAPES)
@settings(max_examples=60, deadline=None)
def test_adding_nodes_moves_nothing_and_removing_one_moves_only_what_was_there(
    services: dict[str, Service], shapes: Shapes, more: Shapes
) -> None:
    nodes = made(shapes)
    first = put_all(nodes, services)
    placed = {
        name: service for name, service in services.items() if name not in {one.service for one in first.unplaceable}
    }
    if not placed:
        return
    settled = put_all(nodes, placed)
    running, before = applied(settled), homes(settled)
    assert homes(put_all(made(more) | nodes, placed, running)) == before
    gone = min(nodes)
    left = {name: one for name, one in nodes.items() if name != gone}
    after = homes(put_all(left, placed, running))
    assert all(home == before[name] for name, home in after.items() if before[name][0] != gone)
