"""`gpuyard revisions`: what was wanted of each node, or of a profile on all of them, by whom, and why."""

import argparse
import asyncio

from console.back import recorded
from console.cli.items import profile_revision_item, revision_item
from console.cli.names import find_node, node_or_profile
from console.cli.output import Exit, Format, print_json, say, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.revisions import (
    PROFILE_REVISION_COLUMNS,
    REVISION_COLUMNS,
    profile_revision_cells,
    revision_cells,
)
from console.undo import revisions
from profiles.revisions.revision import Revision

Kept = tuple[str, Revision]


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    given: str | None = options.name
    async with reached(inventory_of(options)) as found:
        if given is not None:
            given, profile = node_or_profile(found, given)
            if profile is not None:
                return await _of_profile(found, profile, Format(options.output))
        views = [view for view in found.store.nodes.values() if view.counted]
        nodes = [view.name for view in views] if given is None else [find_node(found, given)]
        kept, code = await _ask(found, nodes)
        _print(found, kept, Format(options.output))
        lost = found.lost() if given is None else []
        return max(code, found.say_lost(lost))


async def _of_profile(found: Reached, profile: str, output: Format) -> int:
    """One list of all its nodes, newest last; a node that lacks one, or has another of its number, is named."""
    kept = await recorded(found.fleet, found.store)
    revisions = kept.of(profile)
    if output is Format.JSON:
        print_json("profile_revisions", [profile_revision_item(one) for one in revisions])
    elif output is Format.NAME:
        print("\n".join(f"{profile}:r{one.number}" for one in revisions))
    else:
        rows = [profile_revision_cells(one, found.store.wall()) for one in revisions]
        print_table(PROFILE_REVISION_COLUMNS, rows, wide=output is Format.WIDE)
    for one in revisions:
        if one.lacking and one.stands_on:
            say(f"r{one.number} stands, and {', '.join(one.lacking)} does not have it")
    if any(one.disagrees for one in revisions):
        say("where a number is marked `?`, nodes have two revisions of it: they were made without seeing each other")
    for node, failed in kept.refused.items():
        say_reason(failed.reason, node)
    return max(found.say_lost(), Exit.FAILED if kept.refused else Exit.DONE)


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
