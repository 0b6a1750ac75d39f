"""Processes of nodes, as their agents list them on request, and the end of one. Screens and command line call these."""

import secrets

from agents.wire import ListProcesses, Processes, Terminate, Terminated
from console.operations import Requests
from profiles.processes import NodeProcess

TERMINATE_DEADLINE_S = 30.0
"""A node asks for 5 s and kills for 10 s, by a program of root's where it must."""


async def listed(fleet: Requests, node: str) -> tuple[NodeProcess, ...]:
    """Orphans first. Raises RequestFailed."""
    return (await fleet.request(node, ListProcesses(), Processes)).processes


async def terminate(fleet: Requests, node: str, one: NodeProcess) -> None:
    """Returns once it is gone. `one` was listed with its start. Raises RequestFailed."""
    assert one.start_ticks is not None
    ask = Terminate(pid=one.pid, start_ticks=one.start_ticks, kind=one.kind, key=secrets.token_hex(16))
    await fleet.request(node, ask, Terminated, deadline_s=TERMINATE_DEADLINE_S)
