"""Four replicas behind a gateway are replaced one by one under 50 requests/s: how many fail, and what it costs.

A real agent, HAProxy and simulated engines; each request is a new connection, as from a client that keeps none.
"""

import asyncio
import shutil
import statistics

import psutil

from agents.processes import process
from profiles.desired.gateway import ENGINE, Gateway
from profiles.desired.model import DesiredInstance, InstanceSpec
from profiles.observed.status import InstanceStatus, Phase
from tests.fakes.callers import Callers
from tests.fakes.haproxy import PLACES
from tests.faults.node import FaultNode, node
from tests.faults.watcher import Edit, Watcher, watching

PER_S = 50
REPLICAS = 4
QUIET_S = 5.0
FRONT = "front/0"


def main() -> None:
    if shutil.which("haproxy", path=PLACES) is None:
        print("gateway: haproxy is not installed")
        return
    with node() as one:
        asyncio.run(measure(one))


async def measure(one: FaultNode) -> None:
    port = process.free_port()
    one.start()
    async with watching(one.layout.socket) as watcher:
        await watcher.edit(lambda _: wanted(one, port))
        await watcher.until(lambda: members(watcher) == REPLICAS, "all replicas are members")
        quiet = Callers(port, PER_S)
        async with quiet.calling():
            await asyncio.sleep(QUIET_S)
        callers = Callers(port, PER_S)
        async with callers.calling():
            for number in range(REPLICAS):
                await replace(watcher, one, f"chat/{number}")
        front = psutil.Process(watcher.instances[FRONT].pid or 0)
        failed, asked = sum(callers.failed.values()), callers.statuses.total()
        print(f"{REPLICAS} replicas replaced at {PER_S} requests/s through the gateway: {asked} asked, {failed} failed")
        print(f"    answered in p50/p95 ms    {quantiles(callers)} while replaced, {quantiles(quiet)} at rest")
        print(f"    HAProxy                   {front.memory_full_info().pss / 2**20:.1f} MiB PSS")


def wanted(one: FaultNode, port: int) -> dict[str, DesiredInstance]:
    front = InstanceSpec(
        name=FRONT, service="front", engine=ENGINE, model="", port=port, gateway=Gateway(serve={"chat": 1})
    )
    replicas = {name: one.spec(name) for name in (f"chat/{number}" for number in range(REPLICAS))}
    return {FRONT: DesiredInstance(profile="p", revision=1, spec=front), **replicas}


async def replace(watcher: Watcher, one: FaultNode, name: str) -> None:
    """And wait until the new one is a member."""
    before = watcher.instances[name].pid
    await watcher.edit(again(one, name))
    await watcher.until(lambda: is_new(watcher.instances[name], before) and members(watcher) == REPLICAS, name)


def again(one: FaultNode, name: str) -> Edit:
    return lambda now: now | {name: one.spec(name, asked=now[name].spec.restarts_asked + 1)}


def is_new(status: InstanceStatus, before: int | None) -> bool:
    return status.phase is Phase.READY and status.pid != before


def members(watcher: Watcher) -> int:
    front = watcher.instances.get(FRONT)
    return len(front.gateway.members) if front and front.gateway else 0


def quantiles(callers: Callers) -> str:
    found = statistics.quantiles(callers.took_s, n=20)
    return f"{found[9] * 1e3:.0f}/{found[18] * 1e3:.0f}"


if __name__ == "__main__":
    main()
