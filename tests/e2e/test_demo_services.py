"""The demo's profile fits whatever nodes are asked for."""

import os
from pathlib import Path

import pytest

from agents.gpus.simulated import Simulated
from console.demo.cluster import SERVICE_IN_TROUBLE
from console.demo.node import names, plan_nodes
from console.demo.services import fitted, profile_text
from profiles.desired.model import Desired
from profiles.files.load import parse_profile
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, NodeStatus
from profiles.placing.place import place
from profiles.plans.profile_plan import plan_profile
from profiles.plans.room import with_room
from profiles.text.yamltext import read


@pytest.mark.parametrize(("nodes", "gpus"), [(1, 1), (1, 2), (1, 8), (3, 8), (2, 4), (32, 16)])
def test_the_profile_loads_and_gives_no_gpu_twice_but_the_shared_one(nodes: int, gpus: int) -> None:
    services = fitted(names(nodes), gpus)
    profile = parse_profile(read(profile_text(services)))
    assert "chat-8b" in profile.services
    own = [device for service in services if not service.shares for device in service.devices]
    assert len(own) == len(set(own)) <= nodes * gpus


def test_what_shares_a_gpu_fits_on_it(tmp_path: Path) -> None:
    nodes = plan_nodes(tmp_path, 3, 8, seed=1)
    for node in nodes:
        os.close(node.make())
    statuses = {
        node.name: NodeStatus(
            hostname=node.name, agent_version="1", boot_id="b", at_unix_s=0.0,
            host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
            gpus=Simulated(node.simulated).read().gpus,
        )
        for node in nodes
    }  # fmt: skip
    profile = parse_profile(read(profile_text(fitted(list(statuses), 8))))
    desired = {name: Desired() for name in statuses}
    placed = place(profile, statuses)
    assert not placed.unplaceable
    plan = with_room(plan_profile(profile.profile, placed.specs, desired), desired, statuses)
    assert not plan.blockers
    shared = [row for row in plan.memory if row.allocatable_mib not in (None, row.after_mib)]
    by_turns = 12 * 1024 + 16 * 1024 + (shared[0].allocatable_mib or 0) // 4
    assert {row.after_mib for row in shared} == {by_turns, (32 + 12) * 1024}


def test_names_are_distinct_and_by_site() -> None:
    assert names(3) == ["fra-1", "fra-2", "ams-1"]
    assert len(set(names(32))) == 32


def test_the_contended_service_is_always_there() -> None:
    assert [service.name for service in fitted(["a"], 1)] == [SERVICE_IN_TROUBLE]
