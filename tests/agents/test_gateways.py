"""Gateways with the real HAProxy, real shims and simulated engines: who is sent requests, and who is not any more."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agents import state
from agents.errors import Refused
from agents.gateways.gateways import Gateways
from agents.processes import process, tree
from agents.processes.process import Handle
from profiles.desired.gateway import Gateway, MemberReading, MemberState, Relay
from profiles.desired.model import InstanceSpec, Wanted
from profiles.observed.status import Phase
from tests.fakes.callers import Callers
from tests.fakes.haproxy import needs_haproxy
from tests.fakes.supervised import Agent

FRONT = "front/0"


class Fronted(Agent):
    """An agent with gateways."""

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        return (Gateways(self.supervisor.fronts, self.doors).run(),)

    def members(self) -> dict[str, MemberReading]:
        status = self.status(FRONT)
        return {one.instance: one for one in status.gateway.members} if status and status.gateway else {}

    async def until_members(self, test: Callable[[dict[str, MemberReading]], bool]) -> dict[str, MemberReading]:
        await self.until(lambda _: test(self.members()), FRONT)
        return self.members()

    async def serve(self, *replicas: InstanceSpec, serve: dict[str, int]) -> int:
        """The port of a gateway before `replicas`, all of them up."""
        port = process.free_port()
        self.set(gateway(port, serve), *replicas)
        names = {one.name for one in replicas}
        await self.until_members(lambda found: found.keys() == names)
        return port


@pytest.fixture
async def room() -> AsyncIterator[Fronted]:
    async with node() as one:
        yield one


@asynccontextmanager
async def node(settings: str = "") -> AsyncIterator[Fronted]:
    """With this agent.toml."""
    needs_haproxy()
    with tempfile.TemporaryDirectory(prefix="gyg") as name:
        one = Fronted(Path(name) / ("deep" * 30))  # deeper than the path of a socket may be
        if settings:
            one.layout.settings.write_text(settings)
        one.start()
        yield one
        if one.task and not one.task.done():
            await one.kill()
        handles = [state.peek(path, Handle) for path in one.layout.instances.glob("*/handle.json")]
        for pid in one.mine():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(10):  # their shims write in the directory that is about to go
            while any(isinstance(handle, Handle) and tree.stat(handle.shim_pid) for handle in handles):
                await asyncio.sleep(0.02)


def gateway(port: int, serve: dict[str, int], **changes: object) -> InstanceSpec:
    base = InstanceSpec(
        name=FRONT, service="front", engine="haproxy", model="", port=port, gateway=Gateway(serve=serve)
    )
    return msgspec.structs.replace(base, **changes)


def engine(name: str, **changes: object) -> InstanceSpec:
    base = InstanceSpec(
        name=name, service=name.split("/")[0], engine="simulated", model="m", options={"load_seconds": 0.1}
    )
    return msgspec.structs.replace(base, **changes)


async def test_replicas_join_when_they_are_ready_and_serve_by_their_weights(room: Fronted) -> None:
    canary = engine("next/0", model="m2", served_as="m")
    port = await room.serve(engine("chat/0"), engine("chat/1"), canary, serve={"chat": 90, "next": 10})
    assert {name: one.weight for name, one in room.members().items()} == {"chat/0": 256, "chat/1": 256, "next/0": 57}
    callers = Callers(port, per_s=1, tokens=1)
    await asyncio.gather(*(callers.one() for _ in range(60)))
    assert callers.statuses == {200: 60}, callers.said
    found = await room.until_members(lambda found: sum(one.requests for one in found.values()) == 60)
    assert found["next/0"].requests < min(found["chat/0"].requests, found["chat/1"].requests)
    assert all(one.state is MemberState.UP and not one.failed for one in found.values())
    before = room.status(FRONT)
    room.set(gateway(port, {"chat": 100, "next": 0}), engine("chat/0"), engine("chat/1"), canary)
    await room.until_members(lambda found: found.keys() == {"chat/0", "chat/1"})
    now = room.status(FRONT)
    assert before
    assert now
    assert before.pid == now.pid, "weights are changed live"


async def test_an_engine_is_told_to_stop_only_once_its_last_request_is_answered(room: Fronted) -> None:
    slow = engine("chat/1", options={"load_seconds": 0.1, "decode_base_ms": 40.0})
    port = await room.serve(slow, serve={"chat": 1})
    long = asyncio.create_task(Callers(port, per_s=1, tokens=60).one())
    await room.until_members(lambda found: found["chat/1"].sessions == 1)
    room.set(gateway(port, {"chat": 1}), msgspec.structs.replace(slow, wanted=Wanted.STOPPED))
    leaving = await room.until(lambda one: one.phase is Phase.DRAINING, "chat/1")
    assert leaving.reason
    assert "leaves gateway front" in leaving.reason.text
    assert await Callers(port, per_s=1).one() == 503, "it gets no new one"
    assert not long.done()
    assert await long == 200
    await room.until_phase(Phase.STOPPED, "chat/1")
    assert room.members() == {}


@pytest.mark.slow
async def test_replicas_are_restarted_one_by_one_under_load_and_no_request_fails(room: Fronted) -> None:
    replicas = [engine(f"chat/{number}") for number in range(2)]
    port = await room.serve(*replicas, serve={"chat": 1})
    callers = Callers(port, per_s=25)
    async with callers.calling():
        for at in range(2):
            before = room.status(f"chat/{at}")
            replicas[at] = msgspec.structs.replace(replicas[at], restarts_asked=1)
            room.set(gateway(port, {"chat": 1}), *replicas)
            await room.until(lambda one, was=before: one.phase is Phase.READY and one.pid != was.pid, f"chat/{at}")
            await room.until_members(lambda found: len(found) == 2)
    assert callers.failed == {}, callers.said


async def test_a_replica_that_dies_costs_what_it_had_and_nothing_more(room: Fronted) -> None:
    port = await room.serve(engine("chat/0"), engine("chat/1"), serve={"chat": 1})
    dying = room.status("chat/0")
    assert dying
    assert dying.pid
    os.kill(dying.pid, signal.SIGKILL)
    async with asyncio.timeout(10):  # the kernel takes connections for it until it has ended
        while tree.stat(dying.pid):
            await asyncio.sleep(0.001)
    callers = Callers(port, per_s=1)
    for _ in range(20):
        await callers.one()
    assert callers.failed == {}, callers.said
    await room.until(lambda one: one.phase is Phase.READY and one.pid != dying.pid, "chat/0")
    await room.until_members(lambda found: len(found) == 2)


async def test_the_next_agent_finds_gateway_and_members_as_they_were(room: Fronted) -> None:
    port = await room.serve(engine("chat/0"), serve={"chat": 1})
    before = room.status(FRONT)
    await room.kill()
    assert await Callers(port, per_s=1).one() == 200, "nobody looks after it, and it serves"
    room.start()
    found = await room.until_members(lambda found: "chat/0" in found)
    assert found["chat/0"].requests >= 1, "it was never out"
    now = room.status(FRONT)
    assert before
    assert now
    assert before.pid == now.pid


async def test_a_gateway_that_dies_is_started_again_with_its_members(room: Fronted) -> None:
    port = await room.serve(engine("chat/0"), serve={"chat": 1})
    before = room.status(FRONT)
    assert before
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)
    await room.until(lambda one: one.phase is Phase.READY and one.pid != before.pid, FRONT)
    await room.until_members(lambda found: "chat/0" in found)
    assert await Callers(port, per_s=1).one() == 200


async def test_a_port_that_somebody_has_is_told(room: Fronted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        room.set(gateway(port, {"chat": 1}))
        failed = await room.until_phase(Phase.FAILED, FRONT)
    assert failed.reason
    assert failed.reason.code == "port_in_use"


@pytest.mark.slow
async def test_replicas_of_another_node_come_and_go_behind_its_relay_and_no_request_fails(room: Fronted) -> None:
    async with node('gpuyard = 1\nbind = "127.0.0.2"\n') as far:
        port, there = process.free_port(), engine("chat/1")
        relay = gateway(
            process.free_port(), {}, name="front/1", bind="127.0.0.2", gateway=Gateway(serve={"chat": 1}, is_relay=True)
        )
        far.set(relay, there)
        told = Relay(instance="front/1", host=relay.bind, port=relay.port or 0, replicas={"chat": 1})
        room.set(gateway(port, {}, gateway=Gateway(serve={"chat": 1}, relays=(told,))), engine("chat/0"))
        await room.until_members(lambda found: [one.state for one in found.values()] == [MemberState.UP] * 2)
        callers = Callers(port, per_s=20)
        async with callers.calling():
            before = await far.until_phase(Phase.READY, "chat/1")
            far.set(relay, msgspec.structs.replace(there, restarts_asked=1))
            await far.until(lambda one: one.phase is Phase.READY and one.pid != before.pid, "chat/1")
            before = await far.until_phase(Phase.READY, "front/1")
            far.set(msgspec.structs.replace(relay, restarts_asked=1), msgspec.structs.replace(there, restarts_asked=1))
            await far.until(lambda one: one.phase is Phase.READY and one.pid != before.pid, "front/1")
            await room.until_members(lambda found: found["front/1"].state is MemberState.UP)
            far.set(msgspec.structs.replace(relay, restarts_asked=1))
            await room.until_members(lambda found: found["front/1"].state is MemberState.DOWN)
        assert callers.failed == {}, callers.said
        assert room.members()["front/1"].requests > 0


async def test_a_gateway_listens_where_the_admin_said_and_nowhere_else(room: Fronted) -> None:
    bound = gateway(process.free_port(), {"chat": 1}, bind="127.0.0.2")
    with pytest.raises(Refused, match="the admin of this node approved none"):
        room.set(bound)
    room.layout.settings.write_text('gpuyard = 1\nbind = "127.0.0.3"\n')
    with pytest.raises(Refused, match=r"approved 127\.0\.0\.3"):
        room.set(bound)
    with pytest.raises(Refused, match="only a gateway"):
        room.set(engine("chat/0", bind="127.0.0.3"))
