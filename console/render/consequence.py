"""What a plan will do, in one sentence with numbers."""

from console.render.text import plural
from console.store import Store
from profiles.plan import Action, Plan, Verb

_WORDS = {Verb.START: "Start", Verb.STOP: "Stop", Verb.RESTART: "Restart", Verb.DRAIN: "Drain",
          Verb.STOP_NOW: "Stop at once"}  # fmt: skip


def consequence(verb: Verb, plan: Plan, store: Store) -> str:
    """`Stop llama-70b/0 on fra-1: 61 requests in flight are cut off.`"""
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
    if verb is Verb.START:
        return f"{_WORDS[verb]} {names} on {where}."
    in_flight = plural(round(flying), "request") if known else "an unknown number of requests"
    return f"{_WORDS[verb]} {names} on {where}: {in_flight} in flight."
