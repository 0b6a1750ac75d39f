"""The plan that cordons nodes and GPUs, or takes that back: an edit like any other. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from profiles.desired.model import Cordon, Desired
from profiles.placing.cordon import NODE, called
from profiles.plans.plan import Action, Change, NodePlan, Plan, Step


class Place(msgspec.Struct, frozen=True):
    """A node, or a GPU of it by its UUID. `gpu_index` is for display."""

    node: str
    gpu_uuid: str = NODE
    gpu_index: int | None = None


def plan_cordon(
    places: Iterable[Place], desired: Mapping[str, Desired], *, lift: bool = False, reason: str = ""
) -> Plan:
    """What is cordoned already, or with `lift` is not, is kept. Instances stay as they are."""
    action = Action.UNCORDON if lift else Action.CORDON
    steps: list[Step] = []
    new: dict[str, dict[str, Cordon]] = {}
    for place in dict.fromkeys(places):
        cordons = new.get(place.node, desired[place.node].cordons)
        one = cordons.get(place.gpu_uuid) or Cordon(gpu_index=place.gpu_index, reason=reason)
        is_there = place.gpu_uuid in cordons
        if is_there is not lift:
            steps.append(step_of(Action.KEEP, place.node, place.gpu_uuid, one))
            continue
        steps.append(step_of(action, place.node, place.gpu_uuid, one))
        others = {key: other for key, other in cordons.items() if key != place.gpu_uuid}
        new[place.node] = others if lift else others | {place.gpu_uuid: one}
    edits = tuple(
        NodePlan(node=node, expected_generation=desired[node].generation, instances=desired[node].instances,
                 cordons=cordons)
        for node, cordons in sorted(new.items())
    )  # fmt: skip
    return Plan(title=str(action), steps=tuple(steps), nodes=edits)


def step_of(action: Action, node: str, key: str, cordon: Cordon) -> Step:
    changes = (Change("reason", "", cordon.reason),) if action is Action.CORDON and cordon.reason else ()
    return Step(action=action, node=node, instance=called(key, cordon), changes=changes)
