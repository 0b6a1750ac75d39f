"""What the end of a process does, in a sentence or two with numbers, before anybody agrees to it."""

from console.render.text import age, gib, one_line, plural
from console.store import Store
from profiles.observed.processes import NodeProcess, ProcessKind


def blast(store: Store, node: str, one: NodeProcess) -> str:
    """`fra-1/41822 whisper of bob: 31.2 GiB on GPU 2 comes back. None of gpuyard's: what it did in 2m14s is lost, …`"""
    whose = f"of {one.user}" if one.user else "of an unknown user"
    return one_line(f"{node}/{one.pid} {one.name or 'unknown'} {whose}: {_back(one)}. {_lost(store, node, one)}")


def _back(one: NodeProcess) -> str:
    if not one.gpus:
        return "holds no GPU"
    size = "an unknown amount of memory" if one.memory_mib is None else f"{gib(one.memory_mib)} GiB"
    return f"{size} on GPU {','.join(map(str, one.gpus))} comes back"


def _lost(store: Store, node: str, one: NodeProcess) -> str:
    match one.kind:
        case ProcessKind.ORPHAN:
            return f"Left behind by {one.instance}, which does not run: nothing else ends it."
        case ProcessKind.FOREIGN:
            lasted = f"what it did in {age(one.age_s)}" if one.age_s is not None else "its work"
            return f"None of gpuyard's: {lasted} is lost, and nobody starts it anew."
        case ProcessKind.OURS:
            flying = in_flight(store, node, one.instance)
            lost = f"it loses {flying} in flight and is started anew"
            return f"Of {one.instance}, which runs: {lost}; to end it, stop {one.instance}."


def in_flight(store: Store, node: str, instance: str | None) -> str:
    """`49 requests`, those that wait included."""
    view = store.nodes.get(node)
    status = view.instances.get(instance) if view and instance else None
    reading = status.reading if status else None
    if reading is None or reading.running is None:
        return "an unknown number of requests"
    return plural(round(reading.running + (reading.waiting or 0)), "request")
