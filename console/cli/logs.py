"""`gpuyard logs`: the text on stdout; gaps and new starts on stderr."""

import argparse
import asyncio
import sys

from console.cli.names import find_instance
from console.cli.output import CommandFailed, Exit, say
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.text import plural


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    name: str = options.instance
    async with reached(inventory_of(options)) as found:
        node, instance = find_instance(found, name)
        try:
            await _print(found, node, instance, follow=options.follow, previous=options.previous)
        except NodeUnreachable as gone:
            raise CommandFailed(Exit.UNREACHABLE, gone.reason) from None
        except RequestFailed as failed:
            raise CommandFailed(Exit.FAILED, failed.reason) from None
    return Exit.DONE


async def _print(found: Reached, node: str, instance: str, *, follow: bool, previous: bool) -> None:
    incarnation: int | None = None
    async for piece in found.operations.log(node, instance, previous=previous, follow=follow):
        if incarnation is None and piece.offset:
            say(f"the end of the log; {plural(piece.offset, 'byte')} before it are left out")
        if incarnation not in (None, piece.incarnation):
            say(f"{instance} was started again (run {piece.incarnation})")
        incarnation = piece.incarnation
        if piece.skipped_bytes:
            say(f"{plural(piece.skipped_bytes, 'byte')} were freed before they could be read")
        sys.stdout.write(piece.text)
        sys.stdout.flush()
