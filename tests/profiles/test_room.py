"""What a plan says of GPUs: memory before and after, what is refused, and what will wait."""

from collections.abc import Iterable

from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, GpuState, HostReading, NodeStatus
from profiles.plans.plan import GpuMemory, Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.room import with_room
from profiles.plans.verb_plan import Verb, plan_verb
from tests.profiles.readings import ALLOCATABLE_MIB, gpu, part, process


def spec(name: str, *slices: Slice, wanted: Wanted = Wanted.RUNNING) -> InstanceSpec:
    return InstanceSpec(
        name=name, service=name.partition("/")[0], engine="vllm", model="m", slices=slices, wanted=wanted
    )


def desired(*specs: InstanceSpec) -> dict[str, Desired]:
    owned = {one.name: DesiredInstance(profile="p", revision=1, spec=one) for one in specs}
    return {"n": Desired(generation=1, instances=owned)}


def node(*gpus: GpuReading) -> dict[str, NodeStatus]:
    status = NodeStatus(
        hostname="n", agent_version="1", boot_id="b", at_unix_s=0.0, gpus=gpus,
        host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip
    return {"n": status}


def planned(now: Iterable[InstanceSpec], then: Iterable[InstanceSpec], *gpus: GpuReading) -> Plan:
    before = desired(*now)
    return with_room(plan_profile("p", {"n": list(then)}, before), before, node(*gpus))


def blocked(plan: Plan) -> list[str]:
    return [blocker.text for blocker in plan.blockers]


def test_memory_is_told_before_and_after_where_it_changes() -> None:
    kept = spec("keep/0", part(5_000, index=1))
    plan = planned([spec("old/0", part()), kept], [spec("a/0", part(10_000)), kept], gpu(0), gpu(1))
    assert plan.memory == (
        GpuMemory(node="n", gpu_index=0, before_mib=ALLOCATABLE_MIB, after_mib=10_000, allocatable_mib=ALLOCATABLE_MIB),
    )
    assert [step.slices for step in plan.steps if step.instance == "a/0"] == [(part(10_000),)]
    assert not plan.blockers


def test_what_does_not_fit_beside_what_is_planned_is_refused_whatever_is_measured() -> None:
    both = [spec("a/0", part(50_000)), spec("b/0", part(40_000))]
    assert blocked(planned([], both, gpu(state=GpuState.LOST))) == [
        "a/0 on n: needs 50,000 MiB of GPU 0, which has 40,130 to give",
        "b/0 on n: needs 40,000 MiB of GPU 0, which has 30,130 to give",
    ]
    assert blocked(planned(both[:1], both, gpu(0))) == ["b/0 on n: needs 40,000 MiB of GPU 0, which has 30,130 to give"]


def test_what_the_plan_takes_away_is_in_nobodys_way() -> None:
    busy = gpu(0, process(70_000, "old/0"))
    assert not planned([spec("old/0", part())], [spec("new/0", part())], busy).blockers
    assert not planned(
        [spec("a/0", part(30_000))], [spec("a/0", part(70_000))], gpu(0, process(30_000, "a/0"))
    ).blockers


def test_a_new_one_is_refused_for_strangers_and_one_that_was_there_before_will_wait() -> None:
    taken = gpu(0, process(60_000))
    text = "needs 30,000 MiB of GPU 0, which has 20,130 to give; best is GPU 1 with 80,130"
    assert blocked(planned([], [spec("a/0", part(30_000))], taken, gpu(1))) == [f"a/0 on n: {text}"]
    before = desired(spec("a/0", part(30_000), wanted=Wanted.STOPPED))
    again = with_room(plan_verb(Verb.START, [("n", "a/0")], before), before, node(taken, gpu(1)))
    assert not again.blockers
    assert [step.waits.text for step in again.steps if step.waits] == [text]


def test_what_runs_keeps_its_place_on_a_gpu_that_is_there() -> None:
    before = desired(spec("a/0", part(30_000)), spec("b/0", part()))
    plan = plan_verb(Verb.RESTART, [("n", "a/0")], before)
    beside = with_room(plan, before, node(gpu(0, process(60_000))))
    assert (beside.blockers, [step.waits for step in beside.steps]) == ((), [None])
    lost = with_room(plan, before, node(gpu(state=GpuState.LOST)))
    assert [step.waits.text for step in lost.steps if step.waits] == ["GPU 0 is lost"]
    assert not lost.blockers


def test_a_late_reading_is_not_held_against_a_plan_and_a_silent_node_is_not_judged() -> None:
    assert not planned([], [spec("a/0", part(30_000))], gpu(state=GpuState.STALE)).blockers
    before = desired()
    assert not with_room(plan_profile("p", {"n": [spec("a/0", part(90_000))]}, before), before, {}).blockers


def test_a_stopped_instance_keeps_nothing_and_needs_room_to_start() -> None:
    stopped = spec("a/0", part(50_000), wanted=Wanted.STOPPED)
    assert not planned([stopped], [stopped, spec("b/0", part(50_000))], gpu()).blockers
    before = desired(stopped, spec("b/0", part(50_000)))
    plan = with_room(plan_verb(Verb.START, [("n", "a/0")], before), before, node(gpu()))
    assert blocked(plan) == ["a/0 on n: needs 50,000 MiB of GPU 0, which has 30,130 to give"]
    assert replace(plan, blockers=()).memory[0].after_mib == 100_000
