"""Room for what does not fit: what other profiles call preemptible, and is of lower priority, stops for it. Pure.

    place ──► does not fit ──► all that may go stopped: still not ──► nothing is preempted
                                        └── fits ──► as few of them as possible, the least important first

Only ever as steps of a plan. What is preempted stays in its own profile's place, wanted stopped: undoing the plan,
`start` and applying its profile each bring it back.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, islice

import msgspec
from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, Profile, Wanted
from profiles.desired.priority import priority
from profiles.observed.status import NodeStatus
from profiles.placing.cluster import Labels
from profiles.placing.place import Placement, place
from profiles.plans.plan import Action, NodePlan, Plan, Step

LOOKS = 3_000
"""At nodes, for one service. Where there is more to choose from, still none is stopped that could stay; whether fewer
others would do is not tried to the end."""

Victim = tuple[str, str]
"""(node, instance)."""


class Preemption(msgspec.Struct, frozen=True):
    """A placement, and what stops for it: victim → the service that it stops for."""

    placed: Placement
    victims: Mapping[Victim, str] = {}


def place_preempting(
    profile: Profile, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired], labels: Labels
) -> Preemption:
    """As profiles.placing.place does, and with room made for what does not fit otherwise, the most important first."""
    found = Preemption(place(profile, nodes, desired, labels))
    waiting = _unplaceable(found.placed) & profile.services.keys()
    for name in sorted(waiting, key=lambda name: (-priority(profile.services[name].priority), name)):
        if name in _unplaceable(found.placed):
            found = _Search(profile, name, nodes, desired, labels, found).run()
    return found


def with_preemptions(plan: Plan, preemption: Preemption, profile: str, desired: Mapping[str, Desired]) -> Plan:
    """`plan` of `profile` with what stops for it, first of all."""
    edits = {edit.node: edit for edit in plan.nodes}
    steps = []
    for (node, name), service in sorted(preemption.victims.items()):
        document = desired[node]
        edit = edits.get(node) or NodePlan(
            node=node, expected_generation=document.generation, instances=dict(document.instances)
        )
        owned = replace(_stopped(document.instances[name]), preempted_for=f"{service} of {profile}")
        edits[node] = replace(edit, instances={**edit.instances, name: owned})
        steps.append(Step(action=Action.PREEMPT, node=node, instance=name, preempted_for=owned.preempted_for))
    return replace(plan, steps=(*steps, *plan.steps), nodes=tuple(edits[node] for node in sorted(edits)))


def preempted_by(owned: DesiredInstance) -> str:
    """The profile that it was stopped for; "" for none."""
    return owned.preempted_for.rpartition(" of ")[2]


class _Search:
    """For the least that has to stop for one service, beside what stops for others already."""

    def __init__(
        self, profile: Profile, name: str, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired],
        labels: Labels, before: Preemption,
    ) -> None:  # fmt: skip
        self._profile, self._name = profile, name
        self._nodes, self._desired, self._labels = nodes, desired, labels
        self._before = before

    def run(self) -> Preemption:
        """What there was before, where preempting does not help."""
        able = list(self._able())
        all_gone = self._fits(able) if able else None
        if all_gone is None:
            return self._before
        used = {(node, gpu) for node, specs in all_gone.specs.items() for spec in specs for gpu in spec.gpus()}
        there = [(node, name) for node, name in able if used & self._gpus(node, name)]
        enough = there if self._fits(there) is not None else able
        for victim in reversed(enough):
            fewer = [one for one in enough if one != victim]
            if self._fits(fewer) is not None:
                enough = fewer
        tries = (list(some) for size in range(1, len(enough) + 1) for some in combinations(able, size))
        for victims in islice(tries, LOOKS // max(1, len(self._nodes))):
            if placed := self._fits(victims):
                return self._with(victims, placed)
        placed = self._fits(enough)
        assert placed is not None
        return self._with(enough, placed)

    def _able(self) -> Iterator[Victim]:
        """What may stop for it, the least important first."""
        most = priority(self._profile.services[self._name].priority)
        found = [
            (owned.spec.priority, node, name)
            for node in sorted(self._nodes.keys() & self._desired.keys())
            for name, owned in self._desired[node].instances.items()
            if owned.profile != self._profile.profile and owned.spec.preemptible and owned.spec.slices
            and owned.spec.priority < most and owned.spec.wanted is not Wanted.STOPPED
            and (node, name) not in self._before.victims
        ]  # fmt: skip
        return ((node, name) for _, node, name in sorted(found))

    def _gpus(self, node: str, name: str) -> set[tuple[str, str]]:
        return {(node, gpu) for gpu in self._desired[node].instances[name].spec.gpus()}

    def _fits(self, victims: Collection[Victim]) -> Placement | None:
        """The placement with `victims` stopped, where this service fits, and all that did before."""
        gone = {*self._before.victims, *victims}
        desired = dict(self._desired)
        for node in {node for node, _ in gone}:
            instances = desired[node].instances
            stopped = {name: _stopped(instances[name]) for at, name in gone if at == node}
            desired[node] = replace(desired[node], instances={**instances, **stopped})
        placed = place(self._profile, self._nodes, desired, self._labels)
        return placed if _unplaceable(placed) <= _unplaceable(self._before.placed) - {self._name} else None

    def _with(self, victims: Collection[Victim], placed: Placement) -> Preemption:
        return Preemption(placed, {**self._before.victims, **dict.fromkeys(victims, self._name)})


def _stopped(owned: DesiredInstance) -> DesiredInstance:
    return replace(owned, spec=replace(owned.spec, wanted=Wanted.STOPPED, drain_s=None))


def _unplaceable(placed: Placement) -> set[str]:
    return {one.service for one in placed.unplaceable}
