"""`gpuyard flush-cache NAME…`: what a ready engine is told once."""

import argparse
import asyncio

from console.cli.applying import check_may_change
from console.cli.names import find_instances
from console.cli.outcome import outcome
from console.cli.output import Exit, say
from console.cli.processes import say_failed
from console.cli.session import Reached, inventory_of, reached
from console.controlling import perform
from console.remote.errors import RequestFailed
from engines.control import Act


def flush_cache(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_each(options, Act.FLUSH_CACHE))


async def _each(options: argparse.Namespace, act: Act) -> Exit:
    async with reached(inventory_of(options)) as found:
        return outcome([await _perform(found, *one, act) for one in find_instances(found, options.names)])


async def _perform(found: Reached, node: str, instance: str, act: Act) -> Exit:
    try:
        await perform(found.fleet, node, instance, act)
    except RequestFailed as failed:
        return say_failed(failed, f"{node}:{instance}")
    say(f"{instance} on {node}: {act} is done")
    return Exit.DONE
