"""Processes of nodes, as their agents list them on request, and the end of one. Screens and command line call these."""

import asyncio
import secrets
import time

from agents.wire import ListProcesses, Processes, Terminate, Terminated
from console.operations import Requests
from console.remote.errors import RequestFailed
from console.store import NodeState, Store
from profiles.observed.processes import NodeProcess

TERMINATE_DEADLINE_S = 30.0
"""A node asks for 5 s and kills for 10 s, by a program of root's where it must."""

EVERY_S = 5.0
RESTS = 4
"""So many times as long as asking took is it left alone: a fleet of any size is asked a fifth of the time at most."""

AT_ONCE = 16


async def keep_listed(fleet: Requests, store: Store) -> None:
    """While somebody looks: until cancelled, all nodes that are up, again and again."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(node: str) -> None:
        async with turns:
            await list_into(fleet, store, node)

    while True:
        began_s = time.monotonic()
        await asyncio.gather(*(one(view.name) for view in store.nodes.values() if view.state is NodeState.UP))
        await asyncio.sleep(max(EVERY_S, RESTS * (time.monotonic() - began_s)))


async def list_into(fleet: Requests, store: Store, node: str) -> None:
    try:
        store.listed(node, await listed(fleet, node))
    except RequestFailed as failed:
        store.nodes[node].unlisted = failed.reason


async def listed(fleet: Requests, node: str) -> tuple[NodeProcess, ...]:
    """Orphans first. Raises RequestFailed."""
    return (await fleet.request(node, ListProcesses(), Processes)).processes


async def terminate(fleet: Requests, node: str, one: NodeProcess) -> None:
    """Returns once it is gone. `one` was listed with its start. Raises RequestFailed."""
    assert one.start_ticks is not None
    ask = Terminate(pid=one.pid, start_ticks=one.start_ticks, kind=one.kind, key=secrets.token_hex(16))
    await fleet.request(node, ask, Terminated, deadline_s=TERMINATE_DEADLINE_S)
