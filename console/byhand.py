"""Plans of edits by hand on what the store knows: replicas, single keys, places. Applying is that of any plan."""

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from console.seen import desired, labels, statuses, told, unreachable, unseen
from console.store import Store
from profiles.desired.model import Desired, DesiredInstance
from profiles.placing.likeness import ANYWHERE
from profiles.plans.edit_plan import Edit, plan_edits
from profiles.plans.moving import Places, plan_drain, plan_move
from profiles.plans.plan import Plan
from profiles.plans.scaling import plan_scale
from profiles.plans.setting import Settings, edited
from profiles.text.document import Plain
from profiles.text.yamltext import read

Target = tuple[str, str]
"""(node, instance)"""


def propose_scale(store: Store, profile: str, service: str, replicas: int, places: Places) -> Plan:
    """So many replicas of one service of `profile`, like those that there are, where `places` lets them run."""
    place = places.get((profile, service), ANYWHERE)
    plan = plan_scale(profile, service, replicas, statuses(store), desired(store), labels(store), place)
    return told(replace(plan, blockers=plan.blockers + unseen(store, profile)), store)


def propose_set(store: Store, targets: Sequence[Target], given: Settings, off: Collection[str]) -> Plan:
    """Keys that are `given`, and without those that are taken `off`. Raises FileError."""
    there = desired(store)
    edits = []
    for node, name in targets:
        if (owned := there[node].instances.get(name)) is not None:
            spec = edited(owned.spec, given, off, _replicas(owned, there))
            edits.append(Edit(node=node, instance=name, owned=replace(owned, spec=spec)))
    return told(plan_edits("set", edits, there), store)


def settings_of(words: Sequence[str]) -> tuple[list[str], Settings, list[str]]:
    """`chat max_num_seqs=96 port-` → names, keys that are given, keys that are taken off.

    A value is typed as a profile would have it: `8` is a number, `true` a boolean. Raises FileError.
    """
    given = {key: typed(key, text) for word in words if "=" in word for key, _, text in [word.partition("=")]}
    off = [word[:-1] for word in words if word.endswith("-") and "=" not in word]
    return [word for word in words if "=" not in word and not word.endswith("-")], given, off


def typed(key: str, text: str) -> Plain:
    """Raises FileError."""
    return read(text, key).data if text else ""


def propose_move(
    store: Store, targets: Sequence[Target], places: Places, to: Mapping[str, frozenset[str]] | None
) -> Plan:
    """To GPUs of a node, by UUID, or wherever else there is room and `places` lets them run."""
    return told(plan_move("move", targets, statuses(store), desired(store), labels(store), places, to), store)


def propose_drain(store: Store, nodes: Sequence[str], places: Places, reason: str = "") -> Plan:
    """Cordon `nodes` and move what should run there."""
    there = desired(store)
    gone = tuple(unreachable(store.nodes[node]) for node in nodes if node not in there)
    left = [node for node in nodes if node in there]
    plan = plan_drain(left, statuses(store), there, labels(store), places, reason)
    return told(replace(plan, blockers=plan.blockers + gone), store)


def _replicas(owned: DesiredInstance, there: Mapping[str, Desired]) -> int:
    """How many there are of its service."""
    like = owned.profile, owned.spec.service
    return sum(
        (other.profile, other.spec.service) == like
        for document in there.values()
        for other in document.instances.values()
    )
