from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.desired.model import DesiredInstance, InstanceSpec
from profiles.desired.resources import BadLimit, Limits, ResourceRequest, cpu_list, cpu_set
from profiles.observed.isolation import Isolation, NodeIsolation, Tier, agreement
from profiles.plans.plan import Action, NodePlan, Plan, Step
from profiles.plans.shortfall import with_shortfall

PLAIN = NodeIsolation(tier=Tier.PLAIN, holds={"cpus": "affinity"}, absent={"memory": "no cgroup", "cpu_weight": "no"})


@given(st.frozensets(st.integers(0, 300), min_size=1))
def test_a_list_of_cpus_is_the_set_it_was_made_of(cpus: frozenset[int]) -> None:
    assert cpu_set(cpu_list(cpus)) == cpus


@pytest.mark.parametrize(
    ("text", "canonical"), [("0-7", "0-7"), ("3", "3"), ("2,1,0, 8", "0-2,8"), ("0-3,2-5", "0-5"), ("1,3", "1,3")]
)
def test_cpus_are_kept_as_the_kernel_writes_them(text: str, canonical: str) -> None:
    assert ResourceRequest(cpus=text).limits().cpus == canonical


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "3-1", "0,,1", "12345", "0x1", "٣"])
def test_what_is_no_list_of_cpus(text: str) -> None:
    with pytest.raises(BadLimit, match="no list of CPUs"):
        cpu_set(text)


def test_a_request_in_the_nodes_units() -> None:
    request = ResourceRequest(memory="64GiB", cpu_weight=200, cpus=3)
    assert request.limits() == Limits(memory_mib=65536, cpu_weight=200, cpus="3")
    assert ResourceRequest().limits() == Limits()
    assert Limits(memory_mib=1 << 10, cpus="0").named() == ("memory", "cpus")


def test_only_what_is_asked_for_is_agreed_on() -> None:
    shown = agreement(Limits(memory_mib=64, cpus="0"), PLAIN)
    assert shown == Isolation(tier=Tier.PLAIN, enforced={"cpus": "affinity"}, not_enforced={"memory": "no cgroup"})
    assert agreement(Limits(), PLAIN) == Isolation(tier=Tier.PLAIN)


def test_another_limit_is_another_process() -> None:
    base: dict[str, Any] = {"name": "a/0", "service": "a", "engine": "e", "model": "m"}
    assert InstanceSpec(**base).launch_key() != InstanceSpec(**base, limits=Limits(memory_mib=64)).launch_key()


@pytest.mark.parametrize(("action", "told"), [(Action.START, {"memory": "no cgroup"}), (Action.KEEP, {})])
def test_a_plan_tells_what_a_node_will_not_hold(action: Action, told: dict[str, str]) -> None:
    spec = InstanceSpec(name="a/0", service="a", engine="e", model="m", limits=Limits(memory_mib=64, cpus="0"))
    edit = NodePlan(
        node="n", expected_generation=0, instances={"a/0": DesiredInstance(profile="p", revision=1, spec=spec)}
    )
    plan = Plan(title="t", steps=(Step(action=action, node="n", instance="a/0"),), nodes=(edit,))
    assert with_shortfall(plan, {"n": PLAIN}).steps[0].not_enforced == told
    assert with_shortfall(plan, {"n": None}) == with_shortfall(plan, {}) == plan
