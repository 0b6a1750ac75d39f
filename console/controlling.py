"""What a living engine is told once, and which of its acts an instance has: by its adapter and its options."""

import secrets

from agents.wire import ControlEngine, EngineControlled
from console.operations import Requests
from console.store import Key, Store
from engines import control
from engines.control import Act
from profiles.desired.model import Wanted
from profiles.observed.status import SERVES

DEADLINE_S = 45.0


async def perform(fleet: Requests, node: str, instance: str, act: Act) -> None:
    """Done once this returns. Raises RequestFailed."""
    ask = ControlEngine(instance=instance, act=act, key=secrets.token_hex(16))
    await fleet.request(node, ask, EngineControlled, deadline_s=DEADLINE_S)


def asleep(store: Store, key: Key) -> bool:
    """Whether it is wanted so."""
    owned = store.nodes[key.node].desired.instances.get(key.name)
    return owned is not None and owned.spec.wanted is Wanted.SLEEPING


def why_not(store: Store, key: Key, act: Act) -> str:
    """Why the instance cannot `act` as it is; "" when it can."""
    view = store.nodes[key.node]
    owned, status = view.desired.instances.get(key.name), view.instances.get(key.name)
    if owned is None:
        return "it is not wanted any more"
    if owned.spec.wanted is Wanted.STOPPED:
        return "it is stopped"
    if act is Act.FLUSH_CACHE and (status is None or status.phase not in SERVES):
        return "it does not serve"
    return control.why_not(owned.spec.engine, owned.spec.options, act)
