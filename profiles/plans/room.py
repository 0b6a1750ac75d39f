"""What a plan gives of GPUs, before and after, and what does not fit: told before anybody agrees. Pure.

does not fit beside what is planned, or newly on a GPU that has no room now ──► blocker
no room now where it was when it was stopped                               ──► it will wait, and says for what
runs on just these parts                                                   ──► it keeps its place
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, Wanted
from profiles.gpu.account import Held, kept_mib, same, tenants, without
from profiles.gpu.ledger import out_of_reach, refusal, refused_by_book
from profiles.gpu.memory import allocatable_mib
from profiles.observed.status import GpuReading, GpuState, NodeStatus, Reason
from profiles.plans.plan import STARTS, GpuMemory, Plan, Step


def held(instances: Mapping[str, DesiredInstance]) -> Held:
    """What a document gives: those that are wanted stopped keep nothing."""
    return {name: owned.spec.slices for name, owned in instances.items()
            if owned.spec.slices and owned.spec.wanted is not Wanted.STOPPED}  # fmt: skip


def with_room(plan: Plan, desired: Mapping[str, Desired], nodes: Mapping[str, NodeStatus]) -> Plan:
    """`plan` with the memory of each GPU that it touches, and with what cannot be had. Nodes that say nothing are
    not judged."""
    wanted = {edit.node: edit.instances for edit in plan.nodes}
    steps: list[Step] = []
    blockers: list[Reason] = []
    for step in plan.steps:
        owned = wanted.get(step.node, {}).get(step.instance)
        status = nodes.get(step.node)
        if step.action not in STARTS or owned is None or not owned.spec.slices or status is None:
            steps.append(step)
            continue
        before = desired[step.node].instances.get(step.instance)
        others = {name: parts for name, parts in held(wanted[step.node]).items() if name != step.instance}
        why, waits = _refused(owned, before, others, status.gpus)
        if why is not None and not waits:
            blockers.append(replace(why, text=f"{step.instance} on {step.node}: {why.text}"))
        steps.append(replace(step, slices=owned.spec.slices, waits=why if waits else None))
    memory = [
        row
        for edit in plan.nodes
        if (status := nodes.get(edit.node))
        for row in _memory(edit.node, desired[edit.node].instances, edit.instances, status.gpus)
    ]
    return replace(plan, steps=tuple(steps), blockers=(*plan.blockers, *blockers), memory=tuple(memory))


def _refused(
    owned: DesiredInstance, before: DesiredInstance | None, others: Held, gpus: Iterable[GpuReading]
) -> tuple[Reason | None, bool]:
    """Why there is no room, and whether waiting may help."""
    slices, readings = owned.spec.slices, list(gpus)
    then = [_then(gpu, others) for gpu in readings]
    if before and before.spec.wanted is not Wanted.STOPPED and same(before.spec.slices, slices):
        gone = out_of_reach(slices, then)  # it keeps its place, whoever came meanwhile
        return (gone.reason() if gone else None), True
    if found := refused_by_book(slices, readings, others):
        return found.reason(), False
    now = refusal(slices, then, others)
    is_new = before is None or before.spec.gpus() != owned.spec.gpus()
    return (now.reason(), not is_new) if now else (None, False)


def _then(gpu: GpuReading, others: Held) -> GpuReading:
    """Once all but `others` have left. A reading that is late is not held against a plan: the node looks again."""
    gpu = without(gpu, lambda name: name not in others)
    return replace(gpu, state=GpuState.OK) if gpu.state is GpuState.STALE else gpu


def _memory(
    node: str, before: Mapping[str, DesiredInstance], after: Mapping[str, DesiredInstance], gpus: Iterable[GpuReading]
) -> Iterator[GpuMemory]:
    """The GPUs of which something else is given."""
    old, new = held(before), held(after)
    touched = {part.gpu_uuid for name in old.keys() | new.keys() if old.get(name) != new.get(name)
               for part in (*old.get(name, ()), *new.get(name, ()))}  # fmt: skip
    for gpu in gpus:
        if gpu.uuid in touched:
            allocatable = allocatable_mib(gpu)
            was, will = (
                sum(kept_mib(part, allocatable) for parts in tenants(gpu, given).values() for part in parts)
                for given in (old, new)
            )
            yield GpuMemory(node=node, gpu_index=gpu.index, before_mib=was, after_mib=will, allocatable_mib=allocatable)
