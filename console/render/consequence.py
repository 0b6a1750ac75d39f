"""What a plan will do, in a sentence or two with numbers."""

from collections.abc import Sequence

from console.render.money import dollars
from console.render.text import plural
from console.spending import of_instance
from console.store import Key, Kind, Store
from profiles.observed.status import Phase
from profiles.plans.plan import Action, Plan, Step
from profiles.plans.verb_plan import Verb

DOWN = "take down"
"""What is no verb of an instance: it leaves the document of its node."""

_WORDS = {Verb.START: "Start", Verb.STOP: "Stop", Verb.RESTART: "Restart", Verb.DRAIN: "Drain",
          Verb.STOP_NOW: "Stop at once", Verb.SLEEP: "Put to sleep", Verb.WAKE: "Wake", DOWN: "Take down"}  # fmt: skip

_ENDS = frozenset({Verb.STOP, Verb.STOP_NOW, DOWN})


def consequence(what: str, plan: Plan, store: Store) -> str:
    """`what` is a verb, or DOWN: `Stop llama-70b/0 on fra-1: 61 requests in flight. llama-70b keeps 1 of 2 ready.`"""
    steps = [step for step in plan.steps if step.action is not Action.KEEP]
    nodes = sorted({step.node for step in steps})
    names = ", ".join(step.instance for step in steps[:3]) if len(steps) < 4 else plural(len(steps), "instance")
    where = nodes[0] if len(nodes) == 1 else plural(len(nodes), "node")
    flying, known = 0.0, True
    for step in steps:
        status = store.nodes[step.node].instances.get(step.instance)
        reading = status.reading if status else None
        if status is not None and status.pid is not None:
            known = known and reading is not None and reading.running is not None
        if reading is not None:
            flying += (reading.running or 0) + (reading.waiting or 0)
    waits = " ".join(f"{step.instance} will wait: {step.waits.text}." for step in steps if step.waits)
    if what in (Verb.START, Verb.WAKE):
        return f"{_WORDS[what]} {names} on {where}. {waits}".rstrip()
    in_flight = plural(round(flying), "request") if known else "an unknown number of requests"
    freed = _freed(steps, store) if what in _ENDS else ""
    said = (f"{_WORDS[what]} {names} on {where}: {in_flight} in flight.", _capacity(steps, store), freed, waits)
    return " ".join(filter(None, said))


def _freed(steps: Sequence[Step], store: Store) -> str:
    """`Frees $11.80/h.`: what others may have for it; the machine costs what it costs."""
    views = [(store.nodes[step.node], step.instance) for step in steps]
    costs = [of_instance(store.sheet, view, status) for view, name in views if (status := view.instances.get(name))]
    known = sum(cost for cost in costs if cost is not None)
    return f"Frees {dollars(known)}/h." if known else ""


def _capacity(steps: Sequence[Step], store: Store) -> str:
    """`llama-70b keeps 1 of 2 ready.` for each service that loses replicas."""
    touched = {Key(Kind.INSTANCE, step.node, step.instance) for step in steps}
    ready: dict[str, tuple[int, int]] = {}
    for view, status in store.instances():
        if view.counted and status.phase is Phase.READY:
            service = status.name.rpartition("/")[0]
            kept, all_ready = ready.get(service, (0, 0))
            stays = Key(Kind.INSTANCE, view.name, status.name) not in touched
            ready[service] = (kept + stays, all_ready + 1)
    return " ".join(f"{service} keeps {kept} of {count} ready." for service, (kept, count) in sorted(ready.items())
                    if kept < count)  # fmt: skip


def aftermath(store: Store, plan: Plan) -> list[str]:
    """What is to be known of a take-down beside its consequence."""
    steps = [step for step in plan.steps if step.action is not Action.KEEP]
    it = "it" if len(steps) == 1 else "them"
    back = ", node by node" if len({step.node for step in steps}) > 1 else ""
    lines = [f"Nothing starts {it} again; U takes that back{back}."]
    if lost := [view.name for view in store.nodes.values() if not view.counted]:
        lines.append(f"{plural(len(lost), 'node')} not heard of may still run some of it: {', '.join(lost[:3])}")
    return lines
