"""`gpuyard undo`, `gpuyard rollback`: name what is undone, then go the way of every plan."""

import argparse
import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

from msgspec.structs import replace

from console.back import Back, propose_profile_undo, propose_rollback
from console.cli.applying import carry_through, check_may_change
from console.cli.names import find_node, node_or_profile
from console.cli.output import CommandFailed, Exit, Format, say
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.revisions import undone_lines
from console.undo import propose_undo
from profiles.desired.rollout import OnFailure, Rollout
from profiles.observed.status import Reason

WAY_BACK = Rollout(soak_s=0.0, on_failure=OnFailure.PAUSE)
"""In waves as any apply; what stood already is not tried out first, and a way back that fails is not taken back."""

T = TypeVar("T")


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_run(options))


def rollback(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_rollback(options))


async def _run(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node, profile = (None, None) if options.name is None else node_or_profile(found, options.name)
        if profile is not None:
            if options.to is not None or options.only is not None:
                reason = Reason("usage", "--to and --only are of one node's generations", "use `gpuyard rollback`")
                raise CommandFailed(Exit.USAGE, reason)
            back = await _asked(propose_profile_undo(found.fleet, found.store, profile))
            return await _go(found, back, options)
        node = find_node(found, node)
        undo = await _asked(propose_undo(found.fleet, found.store, node, to=options.to, only=options.only))
        _tell(undone_lines(undo, found.store.wall()), options)
        return await carry_through(found, undo.plan, undo.reason if undo.undone else "", options)


async def _rollback(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        ask = propose_rollback(found.fleet, found.store, options.profile, options.revision)
        return await _go(found, await _asked(ask), options)


async def _go(found: Reached, back: Back, options: argparse.Namespace) -> int:
    _tell(back.lines, options)
    plan = replace(back.plan, rollout=WAY_BACK)
    return await carry_through(found, plan, back.reason, options, hold=True)


async def _asked(answer: Awaitable[T]) -> T:
    """Raises CommandFailed."""
    try:
        return await answer
    except NodeUnreachable as gone:
        raise CommandFailed(Exit.UNREACHABLE, gone.reason) from None
    except RequestFailed as failed:
        raise CommandFailed(Exit.FAILED, failed.reason) from None


def _tell(lines: Iterable[str], options: argparse.Namespace) -> None:
    """Before the plan, where that is for people; else beside it."""
    for line in lines:
        if Format(options.output) is Format.TABLE:
            print(line, flush=True)
        else:
            say(line)
