"""`gpuyard logs`: the text on stdout, or one JSON object a piece; gaps, new starts and lost links on stderr."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

import msgspec

from agents.wire import LogPiece
from console.cli.names import find_logged
from console.cli.output import CommandFailed, Exit, Format, print_json_line, say, say_reason
from console.cli.session import inventory_of, reached
from console.logs import Interrupted
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.text import plural
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    name: str = options.instance
    output = Format(options.output)
    if output is Format.NAME:
        raise CommandFailed(Exit.USAGE, Reason("usage", "a log has no names to print", "use --json, or leave -o out"))
    async with reached(inventory_of(options)) as found:
        node, instance = find_logged(found, name)
        read = found.operations.log(node, instance, previous=options.previous, follow=options.follow)
        try:
            await _print(read, node, instance, output)
        except NodeUnreachable as gone:
            raise CommandFailed(Exit.UNREACHABLE, gone.reason) from None
        except RequestFailed as failed:
            raise CommandFailed(Exit.FAILED, failed.reason) from None
    return Exit.DONE


async def _print(read: AsyncIterator[LogPiece | Interrupted], node: str, instance: str, output: Format) -> None:
    before: LogPiece | None = None
    lost = False
    async for piece in read:
        if isinstance(piece, Interrupted):
            lost = True
            say_reason(piece.reason, f"the link to {node} is lost, waiting for it")
            continue
        if lost:
            lost = False
            say(f"the link to {node} is back")
        _say_gaps(before, piece, instance)
        before = piece
        if output is Format.JSON:
            print_json_line("log", {"node": node, "instance": instance, **msgspec.to_builtins(piece)})
        else:
            sys.stdout.write(piece.text)
            sys.stdout.flush()


def _say_gaps(before: LogPiece | None, piece: LogPiece, instance: str) -> None:
    if before is None and piece.offset:
        say(f"the end of the log; {plural(piece.offset, 'byte')} before it are left out")
    if before is not None and before.incarnation != piece.incarnation:
        say(f"{instance} was started again (run {piece.incarnation})")
    if piece.skipped_bytes:
        say(f"{plural(piece.skipped_bytes, 'byte')} were freed before they could be read")
