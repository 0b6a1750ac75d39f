"""What plans cost, against sums by hand."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.money.budgets import Budget
from profiles.money.money import MICRO
from profiles.money.plan_money import GpuMoney, PlanMoney, priced
from profiles.money.prices import Price, PriceRow, Sheet
from profiles.observed.status import GpuReading, InstanceStatus, Phase
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.verb_plan import Verb, plan_verb
from tests.profiles.readings import TOTAL_MIB, gpu, part

H100 = 3 * MICRO
QUARTER = TOTAL_MIB // 4
A_QUARTER = H100 * (QUARTER * 1_000_000 // TOTAL_MIB) // 1_000_000


@dataclass
class Node:
    gpus: Mapping[str, GpuReading]
    instances: Mapping[str, InstanceStatus] = field(default_factory=dict)
    site: str = ""
    owner: str = ""


def node(*readings: GpuReading, runs: Mapping[str, Slice] | None = None, phase: Phase = Phase.READY, owner: str = "",
         site: str = "") -> Node:  # fmt: skip
    statuses = {
        name: InstanceStatus(name=name, profile="p", revision=1, engine="vllm", model="m", phase=phase,
                             since_unix_s=0.0, slices=(held,))
        for name, held in (runs or {}).items()
    }  # fmt: skip
    return Node({one.uuid: one for one in readings}, statuses, site, owner)


def h100(index: int = 0, **changes: object) -> GpuReading:
    return gpu(index, name="NVIDIA H100 80GB HBM3", **changes)


def spec(name: str, *slices: Slice, wanted: Wanted = Wanted.RUNNING) -> InstanceSpec:
    return InstanceSpec(name=name, service=name.partition("/")[0], engine="vllm", model="m", slices=slices,
                        wanted=wanted)  # fmt: skip


def document(*specs: InstanceSpec, owner: str = "") -> Desired:
    owned = {one.name: DesiredInstance(profile="p", revision=1, spec=one, owner=owner) for one in specs}
    return Desired(generation=1, instances=owned)


def sheet(*budgets: Budget, site: str | None = None) -> Sheet:
    date = datetime.date(2026, 11, 1)
    row = PriceRow(gpu="H100", date=str(date), source="hand", price="3 $/h", site=site)
    return Sheet([(row, Price(fixed_microusd_h=H100, date=date, source="hand"))], budgets)


def applied(then: Mapping[str, list[InstanceSpec]], before: Mapping[str, Desired], owner: str = "") -> Plan:
    return plan_profile("p", then, before, owner)


def money(index: int, before: int | None, after: int | None) -> GpuMoney:
    return GpuMoney(node="n", gpu_index=index, before_microusd_h=before, after_microusd_h=after)


def test_what_goes_and_what_comes_is_told_by_gpu_and_in_all() -> None:
    before = {"n": document(spec("old/0", part(index=0)), spec("keep/0", part(index=2)))}
    plan = applied({"n": [spec("new/0", part(QUARTER, index=1)), spec("keep/0", part(index=2))]}, before)
    runs = {"old/0": part(index=0), "keep/0": part(index=2)}
    found = priced(plan, before, {"n": node(h100(0), h100(1), h100(2), runs=runs)}, sheet())
    assert found.gpus == (money(0, H100, 0), money(1, 0, A_QUARTER))
    assert (found.before_microusd_h, found.after_microusd_h) == (H100, A_QUARTER)
    assert found.delta_microusd_h == A_QUARTER - H100


def test_what_stays_as_it_is_costs_nothing_more() -> None:
    before = {"n": document(spec("a/0", part()))}
    same = applied({"n": [spec("a/0", part())]}, before)
    assert priced(same, before, {"n": node(h100(), runs={"a/0": part()})}, sheet()) == PlanMoney()


def test_starting_what_failed_costs_from_nothing() -> None:
    before = {"n": document(spec("a/0", part()))}
    plan = plan_verb(Verb.START, [("n", "a/0")], before, failed=[("n", "a/0")])
    nodes = {"n": node(h100(), runs={"a/0": part()}, phase=Phase.FAILED)}
    assert priced(plan, before, nodes, sheet()).gpus == (money(0, 0, H100),)


def test_stopping_frees_the_whole_of_it() -> None:
    before = {"n": document(spec("a/0", part()))}
    plan = plan_verb(Verb.STOP, [("n", "a/0")], before)
    found = priced(plan, before, {"n": node(h100(), runs={"a/0": part()})}, sheet())
    assert found.delta_microusd_h == -H100


def test_a_neighbour_of_a_shared_gpu_pays_what_it_paid() -> None:
    before = {"n": document(spec("a/0", part(QUARTER)), spec("b/0", part(QUARTER)))}
    plan = plan_verb(Verb.STOP, [("n", "b/0")], before)
    nodes = {"n": node(h100(), runs={"a/0": part(QUARTER), "b/0": part(QUARTER)})}
    assert priced(plan, before, nodes, sheet()).gpus == (money(0, 2 * A_QUARTER, A_QUARTER),)


def test_gpus_without_a_price_are_apart() -> None:
    before = {"n": document()}
    plan = applied({"n": [spec("a/0", part(index=0)), spec("b/0", part(index=1))]}, before)
    nodes = {"n": node(h100(0), gpu(1, name="Abacus 3"))}
    found = priced(plan, before, nodes, sheet())
    assert found.gpus == (money(0, 0, H100), money(1, None, None))
    assert (found.after_microusd_h, found.unpriced) == (H100, 1)
    elsewhere = priced(plan, before, {"n": node(h100(0), h100(1), site="ams")}, sheet(site="fra"))
    assert elsewhere.unpriced == 2, "the price of one site is not that of another"


def budgets(day: int) -> tuple[Budget, ...]:
    return (Budget(kind="owner", name="search", microusd_day=day),
            Budget(kind="service", name="a", microusd_day=day))  # fmt: skip


def test_budgets_that_a_plan_goes_over_over_the_whole_fleet() -> None:
    """An H100 of search runs on another node; one more makes $144 a day, of which service a spends the new $72."""
    before = {"m": document(spec("x/0", part()), owner="search"), "n": document()}
    plan = applied({"n": [spec("a/0", part())]}, {"n": before["n"]}, owner="search")
    nodes = {"m": node(h100(), runs={"x/0": part()}), "n": node(h100())}
    found = priced(plan, before, nodes, sheet(*budgets(72 * MICRO))).over
    assert [(one.budget.kind, one.microusd_day) for one in found] == [("owner", 144 * MICRO)]
    assert len(priced(plan, before, nodes, sheet(*budgets(72 * MICRO - 1))).over) == 2
    assert not priced(plan, before, nodes, sheet(*budgets(144 * MICRO))).over


def test_the_owner_of_a_node_answers_for_what_nobody_owns() -> None:
    before = {"n": document()}
    plan = applied({"n": [spec("b/0", part())]}, before)
    assert priced(plan, before, {"n": node(h100(), owner="search")}, sheet(*budgets(MICRO))).over[0].budget.name == (
        "search"
    )


def test_a_budget_that_was_over_is_not_the_fault_of_a_plan_that_saves() -> None:
    before = {"n": document(spec("a/0", part(index=0)), spec("a/1", part(index=1)), owner="search")}
    nodes = {"n": node(h100(0), h100(1), runs={"a/0": part(index=0), "a/1": part(index=1)})}
    plan = plan_verb(Verb.STOP, [("n", "a/1")], before)
    assert priced(plan, before, nodes, sheet(*budgets(MICRO))).over == ()


def test_a_node_that_is_not_heard_of_is_in_no_sum() -> None:
    before = {"n": document()}
    assert priced(applied({"n": [spec("a/0", part())]}, before), before, {}, sheet()) == PlanMoney()
