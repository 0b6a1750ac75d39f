"""The cluster as one placement sees it: which nodes there are, and what is held on them by now. Pure.

What instances of the placed profile have counts until `release`; what is stopped, or about to be pruned, has nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from operator import attrgetter

from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, Profile, Wanted
from profiles.gpu.account import NOBODY, Held, Taken, by_gpu, taken, without
from profiles.gpu.nearness import Distances, Wiring, distances, wiring
from profiles.observed.status import GpuReading, GpuState, NodeStatus
from profiles.placing.cordon import NODE, why_not
from profiles.placing.refused import Refused
from profiles.text.selector import Selector

Labels = Mapping[str, Mapping[str, str]]
"""Of nodes, by name."""


class Cluster:
    """Changed by `book` and `release` alone."""

    def __init__(
        self, profile: Profile, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired], labels: Labels,
        *, prunes: bool,
    ) -> None:  # fmt: skip
        self.nodes = dict(sorted(nodes.items()))
        self.changes: list[str] = []
        """The nodes on which something else was held from then on, in the order of the changes."""
        self.replicas: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """How many of a service hold a place, by node."""
        self._chosen: dict[str | None, list[str]] = {}
        self._taken: dict[str, tuple[Taken, ...]] = {}
        self._distances: dict[str, Distances] = {}
        self._wiring: dict[str, Wiring] = {}
        self._alike: dict[tuple[str, bool], int | None] = {}
        self._makes: dict[tuple[object, ...], int] = {}
        self._labels = labels
        self._desired = {node: desired.get(node, Desired()) for node in self.nodes}
        self._held: dict[str, dict[str, tuple[Slice, ...]]] = {}
        self._before: dict[str, list[tuple[str, DesiredInstance]]] = {}
        stay = {f"{name}/{number}" for name, one in profile.services.items() for number in range(one.replicas)}
        for node, document in self._desired.items():
            here = self._held[node] = {}
            for name, owned in sorted(document.instances.items()):
                own = owned.profile == profile.profile
                if own:
                    self._before.setdefault(name, []).append((node, owned))
                gone = own and name not in stay and (prunes or owned.spec.service in profile.services)
                if not gone and owned.spec.wanted is not Wanted.STOPPED:
                    here[name] = owned.spec.slices
                    self.replicas[service_of(name)][node] += 1

    def chosen(self, selector: Selector, text: str | None) -> list[str]:
        """The nodes that a service may use. Raises Refused where there are none."""
        if not self.nodes:
            raise Refused("no node is up", "bring a node back, then plan again")
        if text not in self._chosen:
            self._chosen[text] = [node for node in self.nodes if selector.chooses(node, self._labels.get(node, {}))]
        if not self._chosen[text]:
            raise Refused(f"no node that is up fits `{text}`", f"up: {', '.join(self.nodes)}")
        return self._chosen[text]

    def before(self, instance: str) -> list[tuple[str, DesiredInstance]]:
        """Where the profile has it now, and as what: by node."""
        return self._before.get(instance, [])

    def owned(self, node: str, instance: str) -> DesiredInstance | None:
        """Of whatever profile."""
        return self._desired[node].instances.get(instance)

    def held(self, node: str, beside: str = "") -> Held:
        """What is given of a node's GPUs to all but `beside`; an instance without GPUs has none of them."""
        return {name: parts for name, parts in self._held[node].items() if name != beside}

    def taken(self, node: str) -> tuple[Taken, ...]:
        """Its GPUs by index, as they will be once all that hold nothing have left; the same object as long as nothing
        changed on one. A late reading is not held against anybody: the node looks again."""
        if node not in self._taken:
            here = self._held[node]
            there = by_gpu(here)
            gpus = sorted(self.nodes[node].gpus, key=attrgetter("index", "uuid"))
            self._taken[node] = tuple([taken(_after(gpu, here), there.get(gpu.uuid, NOBODY)) for gpu in gpus])
        return self._taken[node]

    def distances(self, node: str) -> Distances:
        if node not in self._distances:
            self._distances[node] = distances(self.nodes[node].gpu_cards)
        return self._distances[node]

    def alike(self, node: str, *, wired: bool) -> int | None:
        """Equal for two nodes of which what is true of one's GPUs is true of the other's; None where there is more to
        look at. `wired`: what is between them counts."""
        if (node, wired) not in self._alike:
            there = self.taken(node)
            plain = not self._desired[node].cordons and all(one.alike is not None for one in there)
            makes = (*[one.alike for one in there], self._wired(node) if wired else None)
            self._alike[node, wired] = self._makes.setdefault(makes, len(self._makes)) if plain else None
        return self._alike[node, wired]

    def _wired(self, node: str) -> Wiring:
        if node not in self._wiring:
            self._wiring[node] = wiring([one.gpu for one in self.taken(node)], self.distances(node))
        return self._wiring[node]

    def cordoned(self, node: str, gpu_uuid: str = NODE) -> str | None:
        """Why nothing new is placed there."""
        cordon = self._desired[node].cordons.get(gpu_uuid)
        return None if cordon is None else why_not(gpu_uuid, cordon).text

    def document(self, node: str) -> Desired:
        return self._desired[node]

    def book(self, node: str, instance: str, slices: tuple[Slice, ...]) -> None:
        had = self._held[node].get(instance)
        if had is None:
            self.replicas[service_of(instance)][node] += 1
        self._held[node][instance] = slices
        self._changed(node, instance, (*(had or ()), *slices))

    def release(self, instance: str) -> None:
        """Wherever the profile has it."""
        for node, _ in self.before(instance):
            self.vacate(node, instance)

    def vacate(self, node: str, instance: str) -> None:
        """Of whatever profile, on whatever node."""
        if (had := self._held.get(node, {}).pop(instance, None)) is not None:
            self.replicas[service_of(instance)][node] -= 1
            self._changed(node, instance, had)

    def _changed(self, node: str, instance: str, parts: tuple[Slice, ...]) -> None:
        self.changes.append(node)
        self._alike.pop((node, True), None)
        self._alike.pop((node, False), None)
        before = self._taken.pop(node, None)
        if before is None:
            return
        here = self._held[node]
        there = by_gpu(here)
        gpus = {gpu.uuid: gpu for gpu in self.nodes[node].gpus}
        touched = {part.gpu_uuid for part in parts} | {
            gpu.uuid for gpu in gpus.values() if any(process.instance == instance for process in gpu.processes)
        }
        self._taken[node] = tuple(
            [
                taken(_after(gpus[one.gpu.uuid], here), there.get(one.gpu.uuid, NOBODY))
                if one.gpu.uuid in touched
                else one
                for one in before
            ]
        )


def service_of(instance: str) -> str:
    return instance.rpartition("/")[0]


def _after(gpu: GpuReading, stay: Container[str]) -> GpuReading:
    gpu = without(gpu, lambda name: name not in stay)
    return replace(gpu, state=GpuState.OK) if gpu.state is GpuState.STALE else gpu
