"""The cluster as one placement sees it: which nodes there are, and what is held on them by now. Pure.

What instances of the placed profile have counts until `release`; what is stopped, or about to be pruned, has nothing.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from engines.devices import Slice
from profiles.account import Held, without
from profiles.cordon import NODE, why_not
from profiles.model import Desired, DesiredInstance, Profile, Wanted
from profiles.refused import Refused
from profiles.selector import Selector
from profiles.status import GpuReading, GpuState, NodeStatus

Labels = Mapping[str, Mapping[str, str]]
"""Of nodes, by name."""


class Cluster:
    """Changed by `book` and `release` alone."""

    def __init__(
        self, profile: Profile, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired], labels: Labels,
        *, prunes: bool,
    ) -> None:  # fmt: skip
        self.nodes = dict(sorted(nodes.items()))
        self.changes = dict.fromkeys(self.nodes, 0)
        """Rises whenever something else is held on a node."""
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

    def chosen(self, selector: Selector, text: str | None) -> list[str]:
        """The nodes that a service may use. Raises Refused where there are none."""
        if not self.nodes:
            raise Refused("no node is up", "bring a node back, then plan again")
        found = [node for node in self.nodes if selector.chooses(node, self._labels.get(node, {}))]
        if not found:
            raise Refused(f"no node that is up fits `{text}`", f"up: {', '.join(self.nodes)}")
        return found

    def before(self, instance: str) -> list[tuple[str, DesiredInstance]]:
        """Where the profile has it now, and as what: by node."""
        return self._before.get(instance, [])

    def owned(self, node: str, instance: str) -> DesiredInstance | None:
        """Of whatever profile."""
        return self._desired[node].instances.get(instance)

    def held(self, node: str, beside: str = "") -> Held:
        """What is given of a node's GPUs to all but `beside`; an instance without GPUs has none of them."""
        return {name: parts for name, parts in self._held[node].items() if name != beside}

    def gpus(self, node: str) -> list[GpuReading]:
        """As they will be once all that hold nothing have left. A late reading is not held against anybody: the node
        looks again."""
        here = self._held[node]
        gpus = (without(gpu, lambda name: name not in here) for gpu in self.nodes[node].gpus)
        return [replace(gpu, state=GpuState.OK) if gpu.state is GpuState.STALE else gpu for gpu in gpus]

    def cordoned(self, node: str, gpu_uuid: str = NODE) -> str | None:
        """Why nothing new is placed there."""
        cordon = self._desired[node].cordons.get(gpu_uuid)
        return None if cordon is None else why_not(gpu_uuid, cordon).text

    def document(self, node: str) -> Desired:
        return self._desired[node]

    def book(self, node: str, instance: str, slices: tuple[Slice, ...]) -> None:
        self._held[node][instance] = slices
        self.changes[node] += 1

    def release(self, instance: str) -> None:
        """Wherever the profile has it."""
        for node, _ in self.before(instance):
            if self._held[node].pop(instance, None) is not None:
                self.changes[node] += 1

    def replicas(self, node: str, service: str) -> int:
        """How many of a service hold a place there."""
        return sum(name.rpartition("/")[0] == service for name in self._held[node])
