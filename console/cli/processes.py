"""`gpuyard processes`: who is on the GPUs, whose it is, and what of ours nobody will end."""

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from itertools import starmap

import msgspec

from console import processes
from console.cli.names import find_node
from console.cli.output import Exit, Format, print_json, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.cli.shape import Entry, Shape, shape_of
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
    by_whom = options.by == "user"
    shape = shape_of(options, USER_COLUMNS if by_whom else PROCESS_COLUMNS)
    async with reached(inventory_of(options)) as found:
        nodes = [find_node(found, given)] if given else _counted(found)
        rows, code = await ask_all(found, nodes)
        kept = [(node, one) for node, one in rows if one.kind is ProcessKind.ORPHAN or not options.orphans]
        output = Format(options.output)
        entries = map(_of_user, by_user(kept)) if by_whom else starmap(_of_process, kept)
        _print("process_users" if by_whom else "processes", shape, entries, output)
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


def _of_process(node: str, one: NodeProcess) -> Entry:
    plain = {"node": node, **msgspec.to_builtins(one)}
    return Entry([process_cells(node, one, one.age_s)], lambda: plain, f"{node}/{one.pid}")


def _of_user(share: UserShare) -> Entry:
    return Entry([user_cells(share)], lambda: msgspec.to_builtins(share), share.user)


def _print(kind: str, shape: Shape, entries: Iterable[Entry], output: Format) -> None:
    shown = shape.of(entries)
    if output is Format.JSON:
        print_json(kind, [one.item() for one in shown])
    elif output is Format.NAME:
        print("\n".join(one.name for one in shown))
    else:
        print_table(shape.columns, shape.rows(shown), wide=output is Format.WIDE)


def _counted(found: Reached) -> list[str]:
    return [view.name for view in found.store.nodes.values() if view.counted]
