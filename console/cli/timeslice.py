"""`gpuyard gpu timeslice NODE/IDX LENGTH`: how long a process has a GPU to itself that is shared by turns."""

import argparse
import asyncio
import secrets

from agents.wire import ChangeTimeslice, TimesliceChanged
from console.cli.applying import check_may_change
from console.cli.names import find_gpu
from console.cli.outcome import outcome
from console.cli.output import Exit, say, say_reason
from console.cli.processes import say_failed
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import RequestFailed
from engines.devices import Timeslice

DEADLINE_S = 60.0


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> Exit:
    async with reached(inventory_of(options)) as found:
        places = [(name, *find_gpu(found, name)) for name in options.places]
        return outcome([await _set(found, place, Timeslice(options.length)) for place in places])


async def _set(found: Reached, place: tuple[str, str, str], to: Timeslice) -> Exit:
    name, node, uuid = place
    ask = ChangeTimeslice(gpu=uuid, to=to, key=secrets.token_hex(16))
    try:
        changed = await found.fleet.request(node, ask, TimesliceChanged, deadline_s=DEADLINE_S)
    except RequestFailed as failed:
        return say_failed(failed, name)
    if changed.problem:
        say_reason(changed.problem, name)
        return Exit.PARTLY
    say(f"{name} has {to} turns")
    return Exit.DONE
