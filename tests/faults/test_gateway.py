"""The agent dies while replicas behind a gateway are replaced: whoever asks the gateway notices nothing."""

import pytest
from msgspec.structs import replace

from agents.processes import process
from profiles.desired.gateway import ENGINE, Gateway
from profiles.desired.model import DesiredInstance, InstanceSpec
from profiles.observed.status import Phase
from tests.fakes.callers import Callers
from tests.fakes.haproxy import needs_haproxy
from tests.faults.node import FaultNode
from tests.faults.watcher import Edit, Watcher

pytestmark = pytest.mark.faults

FRONT = "front/0"
NAMES = ("chat/0", "chat/1")


def gateway(port: int) -> DesiredInstance:
    front = InstanceSpec(
        name=FRONT, service="front", engine=ENGINE, model="", port=port, gateway=Gateway(serve={"chat": 1})
    )
    return DesiredInstance(profile="p", revision=1, spec=front)


def members(watcher: Watcher) -> list[str]:
    front = watcher.instances.get(FRONT)
    return [one.instance for one in front.gateway.members] if front and front.gateway else []


def anew(name: str) -> Edit:
    def edit(now: dict[str, DesiredInstance]) -> dict[str, DesiredInstance]:
        spec = now[name].spec
        return now | {name: replace(now[name], spec=replace(spec, restarts_asked=spec.restarts_asked + 1))}

    return edit


async def test_an_agent_that_dies_while_a_replica_leaves_or_comes_costs_no_request(
    node: FaultNode, watcher: Watcher
) -> None:
    needs_haproxy()
    port = process.free_port()
    await watcher.edit(lambda _: {FRONT: gateway(port), **{name: node.spec(name, load_seconds=1.0) for name in NAMES}})
    await watcher.until(lambda: len(members(watcher)) == len(NAMES), "both are members")
    callers = Callers(port, per_s=20, tokens=20)
    async with callers.calling():
        for name in NAMES:
            before = watcher.instances[name].pid
            await watcher.edit(anew(name))
            await watcher.until(lambda name=name: watcher.instances[name].phase is Phase.DRAINING, "it leaves")
            node.kill()
            await watcher.restarted(node)
            await watcher.until(lambda name=name: watcher.instances[name].phase is Phase.LOADING, "the new one loads")
            node.kill()
            await watcher.restarted(node)
            await watcher.until(
                lambda name=name, was=before: (
                    watcher.instances[name].phase is Phase.READY
                    and watcher.instances[name].pid != was
                    and len(members(watcher)) == len(NAMES)
                ),
                "the new one is a member",
            )
    assert callers.failed == {}, callers.said
    assert len(node.engines()) == len(NAMES) + 1, "nothing was started twice"
