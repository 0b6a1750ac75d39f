"""The instances of a node as its gateways see them (agents.gateways)."""

from collections.abc import Callable, Mapping

from agents.gateways.gateways import Front
from agents.gateways.members import Replica
from agents.gateways.rates import WINDOW_S
from agents.instances.keeper import Keeper
from agents.instances.standing import Standing
from agents.layout import Layout
from engines.haproxy import SOCKET
from profiles.desired.gateway import Gateway, GatewayReading
from profiles.desired.model import Wanted
from profiles.observed.status import SERVES, EngineReading, Phase

TAKES = frozenset({Phase.READY, Phase.DEGRADED})
"""One that is stalled would keep whoever is sent to it waiting."""

NOT_SAID = dict.fromkeys(
    ("waiting", "kv_usage_ratio", "prompt_tok_s", "generation_tok_s", "preemptions_per_s", "prefix_cache_hit_ratio",
     "ttft", "itl", "e2e", "queue"),
    "a gateway runs no model: its replicas say",
)  # fmt: skip


class Fronts:
    """Of the keepers there are at the moment."""

    def __init__(self, keepers: Mapping[str, Keeper], layout: Layout, wall: Callable[[], float]) -> None:
        self._keepers = keepers
        self._layout = layout
        self._wall = wall

    def open(self) -> list[Front]:
        """The gateways that run. One that is to be held empty serves nobody."""
        found = []
        for name, keeper in self._keepers.items():
            owned, started = keeper.owned, keeper.runner.started
            if not (owned and owned.spec.gateway and started and keeper.runner.process):
                continue
            if keeper.standing.phase in SERVES:
                held = owned.spec.wanted is Wanted.DRAINED
                wanted = Gateway(serve={}) if held else owned.spec.gateway
                socket = self._layout.instance(name).directory / SOCKET
                found.append(Front(name, started.incarnation, wanted, socket, self._replicas(owned.profile)))
        return found

    def unseen(self, names: set[str]) -> set[str]:
        """Those that run, or of which that is not known yet; before there are keepers, all."""
        if not self._keepers:
            return names
        return {
            name
            for name in names
            if (keeper := self._keepers.get(name)) and (keeper.runner.process or not keeper.found)
        }

    def show(self, name: str, reading: GatewayReading) -> None:
        if keeper := self._keepers.get(name):
            keeper.standing.front(reading, traffic(reading, self._wall()))

    def _replicas(self, profile: str) -> tuple[Replica, ...]:
        found = []
        for name, keeper in self._keepers.items():
            started = keeper.runner.started
            if started and started.owned.profile == profile and not started.owned.spec.gateway:
                takes = _takes(keeper.standing) and _stays(keeper) if keeper.found else None
                found.append(Replica(name, started.owned.spec.service, started.port, takes))
        return tuple(found)


def _stays(keeper: Keeper) -> bool:
    """Whoever is about to end leaves as soon as that is wanted, also before an agent that is new has come to it."""
    owned, started = keeper.owned, keeper.runner.started
    return (
        owned is not None and owned.spec.wanted is Wanted.RUNNING
        and started is not None and started.owned.spec.launch_key() == owned.spec.launch_key()
    )  # fmt: skip


def traffic(gateway: GatewayReading, at_unix_s: float) -> EngineReading:
    """What it did, as of any instance."""
    asked, failed = gateway.requests_per_s, gateway.failed_per_s
    return EngineReading(
        at_unix_s=at_unix_s,
        window_s=WINDOW_S,
        running=float(sum(one.sessions for one in gateway.members)),
        requests_per_s=None if asked is None else max(0.0, asked - (failed or 0.0)),
        failed_per_s=failed,
        absent=NOT_SAID,
    )


def _takes(standing: Standing) -> bool:
    return standing.phase in TAKES and not standing.rests
