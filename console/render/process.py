"""One process in full, as lines."""

from console.render.blast import blast, in_flight
from console.render.entries import entry, long_entry
from console.render.figures import hundred, moment
from console.render.fit import Line
from console.render.processes import SIGNS, TONES, age_s
from console.render.table import Tone
from console.render.text import UNKNOWN, age, gib, number
from console.store import Key, NodeState, NodeView, Store
from profiles.observed.processes import NodeProcess, ProcessKind

_KINDS = {
    ProcessKind.OURS: "of an instance that runs",
    ProcessKind.ORPHAN: "left behind by an instance that does not run: nothing will end it",
    ProcessKind.FOREIGN: "on a GPU, and none of gpuyard's",
}


def process_lines(store: Store, key: Key, width: int) -> list[Line]:
    """Whose it is, what it runs, what it holds, and what its end would do. One that is gone says so."""
    view = store.nodes[key.node]
    one = view.processes.get(key.name)
    if one is None:
        return [(), ((f" process {key.name.partition('.')[0]} is no longer on {key.node}: esc goes back", Tone.DIM),)]
    kind = f"{SIGNS[one.kind]} {one.kind}".strip()
    lines = [entry("Kind", f"{kind}   {_KINDS[one.kind]}", TONES[one.kind])]
    if view.state is not NodeState.UP:
        lines.append(entry("Node", f"{view.state}: all below is as it was last listed", Tone.WARN))
    old_s = age_s(store, view, one)
    began = "" if old_s is None else f"   since {moment(store.wall() - old_s, store.wall())}"
    lines += [
        entry("Process", f"{view.name}/{one.pid}   {one.name or UNKNOWN}   {age(old_s)}{began}"),
        entry("User", one.user or UNKNOWN),
        *long_entry("Command", one.command or "its arguments are for operators, or not to be read", width),
        entry("Container", one.container or "none"),
        _instance(store, view, one),
        (),
        *_gpus(view, one),
        (),
        *long_entry("Its end", blast(store, view.name, one), width, Tone.DIM),
    ]
    return lines


def _instance(store: Store, view: NodeView, one: NodeProcess) -> Line:
    status = view.instances.get(one.instance) if one.instance else None
    if status is None:
        return entry("Instance", f"{one.instance}, which is not on this node" if one.instance else "none")
    flying = f"   {in_flight(store, view.name, one.instance)} in flight" if one.kind is ProcessKind.OURS else ""
    return entry("Instance", f"{status.name}   {status.phase}{flying}")


def _gpus(view: NodeView, one: NodeProcess) -> list[Line]:
    """Its GPUs, each with whoever else is there."""
    if not one.gpus:
        return [entry("GPU", "holds none")]
    held = f"{gib(one.memory_mib)} GiB   SM {number(hundred(one.busy_ratio))} %"
    lines = [entry("Holds", f"{held}   on GPU {','.join(map(str, one.gpus))}")]
    for gpu in sorted(view.gpus.values(), key=lambda gpu: gpu.index):
        if gpu.index not in one.gpus:
            continue
        used = f"{gib(gpu.memory_used_mib)} of {gib(gpu.memory_total_mib)} GiB in use"
        lines.append(entry(f"GPU {gpu.index}", f"{gpu.name.removeprefix('NVIDIA ')}   {used}"))
        for other in gpu.processes:
            if other.pid != one.pid:
                who = other.instance or f"▒ {other.name or 'unknown'} of {other.user or 'an unknown user'}"
                lines.append(entry("", f"beside {who} ({other.pid}): {gib(other.memory_mib)} GiB", Tone.DIM))
    return lines
