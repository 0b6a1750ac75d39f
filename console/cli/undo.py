"""`gpuyard undo`: name what is undone, then go the way of every plan."""

import argparse
import asyncio

from console.cli.applying import carry_through, check_may_change
from console.cli.names import find_node
from console.cli.output import CommandFailed, Exit, Format, say
from console.cli.session import inventory_of, reached
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.revisions import undone_lines
from console.undo import propose_undo


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node = find_node(found, options.node)
        try:
            undo = await propose_undo(found.fleet, found.store, node, to=options.to, only=options.only)
        except NodeUnreachable as gone:
            raise CommandFailed(Exit.UNREACHABLE, gone.reason) from None
        except RequestFailed as failed:
            raise CommandFailed(Exit.FAILED, failed.reason) from None
        for line in undone_lines(undo, found.store.wall()):
            if Format(options.output) is Format.TABLE:
                print(line, flush=True)
            else:
                say(line)
        return await carry_through(found, undo.plan, undo.reason if undo.undone else "", options)
