"""Placement: examples of each refusal, and what holds for any profile and any nodes."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Defaults, PlaceRequest, Profile, Service
from profiles.desired.restart import Restart, RestartRequest
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, GpuState, HostReading, NodeStatus
from profiles.placing.place import Placement, Unplaceable, place


def node(name: str, gpus: int = 2, lost: int | None = None) -> NodeStatus:
    readings = tuple(
        GpuReading(uuid=f"GPU-{name}-{index}", index=index, name="H100",
                   state=GpuState.LOST if index == lost else GpuState.OK)
        for index in range(gpus)
    )  # fmt: skip
    return NodeStatus(
        hostname=name, agent_version="1", boot_id="b", at_unix_s=0.0, gpus=readings,
        host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip


def put(nodes: Mapping[str, NodeStatus], **services: Service) -> Placement:
    return place(Profile(1, "p", services, defaults=Defaults("vllm")), nodes)


def gpus(*devices: str) -> GpuRequest:
    return GpuRequest(devices)


ONE = {"fra-1": node("fra-1")}
TWO = {**ONE, "fra-2": node("fra-2", lost=1)}


def test_replicas_share_the_devices_in_order() -> None:
    service = Service("m", replicas=2, port=8000, gpus=gpus("fra-1/1", "fra-1/0", "fra-2/0", "fra-2/1"))
    placed = put({"fra-1": node("fra-1"), "fra-2": node("fra-2")}, chat=service)
    assert not placed.unplaceable
    (first,), (second,) = placed.specs["fra-1"], placed.specs["fra-2"]
    assert (first.name, first.port, first.engine) == ("chat/0", 8000, "vllm")
    assert first.slices == (Slice(gpu_uuid="GPU-fra-1-1", gpu_index=1), Slice(gpu_uuid="GPU-fra-1-0", gpu_index=0))
    assert (second.name, second.port) == ("chat/1", 8001)


def test_the_restart_rule_of_a_service_wins_over_the_defaults() -> None:
    defaults = Defaults("vllm", restart=RestartRequest(max=2, window="90s"))
    services = {"a": Service("m"), "b": Service("m", restart=RestartRequest(max=9))}
    a, b = place(Profile(1, "p", services, defaults=defaults), ONE).specs["fra-1"]
    assert a.restart == Restart(max_exits=2, window_s=90.0)
    assert b.restart == Restart(max_exits=9, window_s=600.0)


def test_without_gpus_the_named_or_the_only_node() -> None:
    assert [spec.name for spec in put(ONE, a=Service("m", replicas=2)).specs["fra-1"]] == ["a/0", "a/1"]
    assert list(put(TWO, a=Service("m", place=PlaceRequest("fra-2"))).specs) == ["fra-2"]


@pytest.mark.parametrize(
    ("nodes", "service", "reason", "hint"),
    [
        ({}, Service("m"), "no node is up", "bring a node back, then plan again"),
        (TWO, Service("m", place=PlaceRequest("x")), "no node that is up fits `x`", "up: fra-1, fra-2"),
        (TWO, Service("m", gpus=gpus("x/0")), "no node x is up", "up: fra-1, fra-2"),
        (TWO, Service("m", gpus=gpus("fra-1/7")), "fra-1 has no GPU 7", "fra-1 has 0, 1"),
        ({"a": node("a", 0)}, Service("m", gpus=gpus("a/0")), "a has no GPU 0",
         "a reports no GPUs; leave `gpus` out to use the CPU"),
        (TWO, Service("m", gpus=gpus("fra-2/1")), "GPU fra-2/1 is lost",
         "choose another, or see why in the events of the node"),
        (TWO, Service("m", gpus=gpus("fra-1/0", "fra-1/0")), "fra-1/0 is listed twice", "list each device once"),
        (TWO, Service("m", replicas=2, gpus=gpus("fra-1/0", "fra-1/1", "fra-2/0")),
         "3 devices cannot be shared out evenly among 2 replicas",
         "list a multiple of 2 devices, or change `replicas`"),
        (TWO, Service("m", gpus=gpus("fra-1/0", "fra-2/0")), "one replica would have GPUs on fra-1 and fra-2",
         "list the devices so that each replica's are on one node"),
        (TWO, Service("m", gpus=gpus("fra-1/0"), place=PlaceRequest("fra-2")),
         "its GPUs are on fra-1, which `fra-2` does not choose", "leave `place` out"),
    ],
)  # fmt: skip
def test_refusals(nodes: dict[str, NodeStatus], service: Service, reason: str, hint: str) -> None:
    placed = put(nodes, bad=service, good=Service("m", place=PlaceRequest("fra-1")))
    assert Unplaceable("bad", reason, hint) in placed.unplaceable
    assert not any(spec.service == "bad" for specs in placed.specs.values() for spec in specs)
    assert ("fra-1" in nodes) == any(spec.service == "good" for specs in placed.specs.values() for spec in specs)


NAMES = st.sampled_from(["a", "b", "c"])
DEVICES = st.builds("{}/{}".format, NAMES, st.integers(0, 4))
SERVICES = st.builds(
    Service,
    model=st.just("m"),
    replicas=st.integers(1, 4),
    gpus=st.none() | st.builds(GpuRequest, st.lists(DEVICES, min_size=1, max_size=6).map(tuple)),
    place=st.builds(PlaceRequest, st.none() | NAMES),
)
NODES = st.dictionaries(NAMES, st.integers(0, 4), max_size=3).map(
    lambda sizes: {n: node(n, c) for n, c in sizes.items()}
)
PROFILES = st.dictionaries(st.sampled_from(["x", "y", "z"]), SERVICES, min_size=1, max_size=3)


@given(PROFILES, NODES)
def test_every_service_is_placed_in_full_or_refused(services: dict[str, Service], nodes: dict[str, NodeStatus]) -> None:
    placed = put(nodes, **services)
    refused = {found.service for found in placed.unplaceable}
    by_service: dict[str, list[str]] = {}
    for where, specs in placed.specs.items():
        here = {gpu.uuid: gpu.index for gpu in nodes[where].gpus}
        for spec in specs:
            by_service.setdefault(spec.service, []).append(spec.name)
            assert all(here[held.gpu_uuid] == held.gpu_index for held in spec.slices)
    for name, service in services.items():
        expected = [] if name in refused else [f"{name}/{number}" for number in range(service.replicas)]
        assert sorted(by_service.get(name, [])) == expected


@given(PROFILES, NODES)
def test_the_order_of_the_input_does_not_matter(services: dict[str, Service], nodes: dict[str, NodeStatus]) -> None:
    backwards = put(dict(reversed(nodes.items())), **dict(reversed(services.items())))
    assert put(nodes, **services) == backwards
    assert list(put(nodes, **services).specs) == list(backwards.specs)
