"""`gpuyard revisions`: what was wanted of each node before, by whom, and why."""

import argparse
import asyncio

from console.cli.items import revision_item
from console.cli.names import find_node
from console.cli.output import Exit, Format, print_json, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.revisions import REVISION_COLUMNS, revision_cells
from console.undo import revisions
from profiles.revision import Revision

Kept = tuple[str, Revision]


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    given: str | None = options.node
    async with reached(inventory_of(options)) as found:
        views = [view for view in found.store.nodes.values() if view.counted]
        nodes = [view.name for view in views] if given is None else [find_node(found, given)]
        kept, code = await _ask(found, nodes)
        _print(found, kept, Format(options.output))
        lost = found.lost() if given is None else []
        return max(code, found.say_lost(lost))


async def _ask(found: Reached, nodes: list[str]) -> tuple[list[Kept], Exit]:
    """Of all nodes at once; a node that does not answer is said."""
    answers = await asyncio.gather(*(revisions(found.fleet, node) for node in nodes), return_exceptions=True)
    kept: list[Kept] = []
    code = Exit.DONE
    for node, answer in zip(nodes, answers, strict=True):
        if isinstance(answer, RequestFailed):
            say_reason(answer.reason, node)
            code = max(code, Exit.UNREACHABLE if isinstance(answer, NodeUnreachable) else Exit.FAILED)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            kept += [(node, head) for head in answer]
    return kept, code


def _print(found: Reached, kept: list[Kept], output: Format) -> None:
    views = found.store.nodes
    if output is Format.JSON:
        print_json("revisions", [revision_item(views[node], head) for node, head in kept])
    elif output is Format.NAME:
        for node, head in kept:
            print(f"{node}:{head.generation}")
    else:
        rows = [revision_cells(node, head, views[node].clock_skew_s) for node, head in kept]
        print_table(REVISION_COLUMNS, rows, wide=output is Format.WIDE)
