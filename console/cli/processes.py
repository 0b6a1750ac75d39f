"""`gpuyard processes`: who is on the GPUs, whose it is, and what of ours nobody will end."""

import argparse
import asyncio
from collections.abc import Sequence

import msgspec

from console import processes
from console.cli.names import find_node
from console.cli.output import Exit, Format, print_json, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.processes import PROCESS_COLUMNS, USER_COLUMNS, process_cells, user_cells
from profiles.observed.processes import NodeProcess, ProcessKind, UserShare, by_user

Row = tuple[str, NodeProcess]
"""A node and a process of it."""


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_list(options))


async def _list(options: argparse.Namespace) -> int:
    given: str | None = options.node
    async with reached(inventory_of(options)) as found:
        nodes = [find_node(found, given)] if given else _counted(found)
        rows, code = await ask_all(found, nodes)
        kept = [(node, one) for node, one in rows if one.kind is ProcessKind.ORPHAN or not options.orphans]
        output = Format(options.output)
        if options.by == "user":
            _print_users(by_user(kept), output)
        else:
            _print(kept, output)
        return max(code, found.say_lost([] if given else None))


async def ask_all(found: Reached, nodes: Sequence[str]) -> tuple[list[Row], Exit]:
    """Of each node, its orphans first; and the worst that was said instead."""
    answers = await asyncio.gather(*(_of_node(found, node) for node in nodes))
    rows = [row for several, _ in answers for row in several]
    return rows, max((code for _, code in answers), default=Exit.DONE)


async def _of_node(found: Reached, node: str) -> tuple[list[Row], Exit]:
    try:
        return [(node, one) for one in await processes.listed(found.fleet, node)], Exit.DONE
    except RequestFailed as failed:
        return [], say_failed(failed, node)


def say_failed(failed: RequestFailed, about: str) -> Exit:
    say_reason(failed.reason, about)
    return Exit.UNREACHABLE if isinstance(failed, NodeUnreachable) else Exit.FAILED


def _print(rows: Sequence[Row], output: Format) -> None:
    if output is Format.JSON:
        print_json("processes", [{"node": node, **msgspec.to_builtins(one)} for node, one in rows])
    elif output is Format.NAME:
        print("\n".join(f"{node}/{one.pid}" for node, one in rows))
    else:
        print_table(PROCESS_COLUMNS, [process_cells(node, one) for node, one in rows], wide=output is Format.WIDE)


def _print_users(shares: Sequence[UserShare], output: Format) -> None:
    if output is Format.JSON:
        print_json("process_users", msgspec.to_builtins(shares))
    elif output is Format.NAME:
        print("\n".join(share.user for share in shares))
    else:
        print_table(USER_COLUMNS, [user_cells(share) for share in shares], wide=output is Format.WIDE)


def _counted(found: Reached) -> list[str]:
    return [view.name for view in found.store.nodes.values() if view.counted]
