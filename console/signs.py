"""What speaks for an alert now, in all that the nodes have said: what profiles.watching.alerts holds its rules against.

Times are by our clock. A node that does not answer is itself a sign; of what is on it nothing is said.
"""

from collections.abc import Iterator, Mapping

from console.drifting import is_edited
from console.render.bill import over_text
from console.render.burn import burning, burns, times
from console.render.gpus import is_shared_with_strangers
from console.render.leases import lease_text
from console.render.services import service_view
from console.render.text import gib
from console.spending import over_budget
from console.store import Kind, NodeState, NodeView, Store
from profiles.gpu.memory import usage
from profiles.observed.finding import Severity
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import GpuReading, GpuState, InstanceStatus, Phase
from profiles.observed.xids import meaning
from profiles.watching.alertrules import Rule
from profiles.watching.alerts import Sign

DISK = "disk"
CRASH_LOOP = "crash_loop"
RECENT_XID_S = 900.0
"""One that asks for no more than a look is a sign for so long; one that stops placing, until the GPU was reset."""
_RANK = list(Severity)


def signs(store: Store, rules: Mapping[str, Rule]) -> Iterator[Sign]:
    """Of the rules that there are."""
    for view in store.nodes.values():
        yield from _of_node(store, view)
        if not view.counted:
            continue
        for gpu in view.gpus.values():
            yield from _of_gpu(store, view, gpu, rules)
        for status in view.instances.values():
            yield from _of_instance(store, view, status, rules)
        for profile in view.desired.standing:
            if is_edited(view, profile):
                text = f"{profile} was edited by hand on {view.name}: gpuyard drift {profile}"
                yield Sign(rule="drift", target=f"{view.name}:{profile}", node=view.name, text=text)
    for key in store.keys(Kind.SERVICE):
        service = service_view(store, key)
        if service is not None and service.worst == "down":
            text = f"{service.name} is down: {service.why}" if service.why else f"{service.name} is down"
            yield Sign(rule="down", target=key.name, text=text, since_unix_s=service.since_unix_s)
    for over in over_budget(store):
        yield Sign(rule="budget", target=f"{over.budget.kind} {over.budget.name}", text=over_text(over))


def unseen(store: Store) -> frozenset[str]:
    """Nodes of which nothing is known now."""
    return frozenset(view.name for view in store.nodes.values() if not view.counted)


def _of_node(store: Store, view: NodeView) -> Iterator[Sign]:
    """Its silence is told by the console itself, so that it is no word of a node that says nothing."""
    if view.state not in (NodeState.UP, NodeState.CONNECTING):
        age_s = store.age_s(view)
        since = None if age_s is None else store.wall() - age_s
        text = f"{view.name} is {view.state}{f': {view.why.text}' if view.why else ''}"
        yield Sign(rule="node_stale", target=view.name, text=text, since_unix_s=since)
    for trouble in view.status.troubles if view.status and view.counted else ():
        if trouble.code == DISK:
            yield Sign(rule="disk", target=view.name, node=view.name, text=f"{view.name}: {trouble.text}")


def _of_gpu(store: Store, view: NodeView, gpu: GpuReading, rules: Mapping[str, Rule]) -> Iterator[Sign]:
    target, name = f"{view.name}/{gpu.index}", f"{view.name} gpu{gpu.index}"
    if gpu.state is GpuState.LOST or gpu.health is GpuHealth.LOST:
        yield Sign(rule="gpu_lost", target=target, node=view.name, text=f"{name} is lost")
        return
    now = store.wall() + view.clock_skew_s
    least = rules["xid"].severity if "xid" in rules else Severity.PROBLEM
    for xid in gpu.xids:
        known = meaning(xid.number)
        bad = _RANK.index(known.severity) >= _RANK.index(least)
        if bad and (known.stops_placing or now - xid.at_unix_s < RECENT_XID_S):
            yield Sign(rule="xid", target=f"{target} {xid.number}", node=view.name, severity=known.severity,
                       text=f"{name} XID {xid.number}: {known.text} — {known.advice}",
                       since_unix_s=xid.at_unix_s - view.clock_skew_s)  # fmt: skip
    strangers = [one.name or str(one.pid) for one in gpu.processes if one.instance is None]
    ours = [one.instance for one in gpu.processes if one.instance is not None]
    if ours and is_shared_with_strangers(gpu):
        text = f"{name}: {', '.join(strangers)}, which gpuyard did not start, runs beside {', '.join(ours)}"
        came = [one.at_unix_s for one in view.events if one.code == "foreign_began" and one.gpu == gpu.uuid]
        since = max(came) - view.clock_skew_s if came else None
        yield Sign(rule="contention", target=target, node=view.name, text=text, since_unix_s=since)
    used = usage(gpu)
    if used is not None and "unattributed" in rules and "processes" not in gpu.absent:
        hidden_mib = used.unattributed_mib - used.reserved_mib
        if hidden_mib > rules["unattributed"].over:
            text = f"{name}: {gib(hidden_mib)} GiB in use that no process has"
            yield Sign(rule="unattributed", target=target, node=view.name, text=text)


def _of_instance(store: Store, view: NodeView, status: InstanceStatus, rules: Mapping[str, Rule]) -> Iterator[Sign]:
    target, where = f"{view.name}:{status.name}", f"{status.name} on {view.name}"
    since = status.since_unix_s - view.clock_skew_s
    why = f": {status.reason.text}" if status.reason else ""
    if status.phase is Phase.STALLED:
        yield Sign(rule="stalled", target=target, node=view.name, text=f"{where} is stalled{why}", since_unix_s=since)
    if status.phase is Phase.FAILED and status.reason is not None and status.reason.code == CRASH_LOOP:
        yield Sign(rule="crash_loop", target=target, node=view.name, text=f"{where} has failed{why}",
                   since_unix_s=since)  # fmt: skip
    found = burns(view, status)[0]
    if "burn" in rules and found is not None and found.low >= rules["burn"].over:
        text = f"{where} burns {times(found)}: {burning(view, status)}"
        yield Sign(rule="burn", target=target, node=view.name, text=text)
    if lease := lease_text(store, view, status.name):
        yield Sign(rule="lease", target=target, node=view.name, text=f"{where}: {lease}")
