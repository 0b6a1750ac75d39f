"""`gpuyard fractions plan`, `apply`, `undo`, `resume`, `rollback`: a GPU's MIG layout, by plan."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from console.cli.applying import check_may_change
from console.cli.names import find_gpu
from console.cli.output import (
    CommandFailed,
    Exit,
    Format,
    ask,
    is_interactive,
    print_json,
    print_json_line,
    say,
    say_reason,
)  # fmt: skip
from console.cli.session import Reached, inventory_of, reached
from console.dividing import apply_layout, follow, plan_layout, plan_undo, settle_layout
from console.holding import NotHeld, held
from console.operations import Requests
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.layout import change_line, change_reason, layout_plan_lines
from console.render.text import plural
from profiles.gpu.repartition import ChangePhase, GpuChange, GpuPlan
from profiles.observed import mig
from profiles.observed.status import Reason

Propose = Callable[[Requests, str, str], Awaitable[GpuPlan]]
"""Of a node and a GPU's UUID."""

Begin = Callable[[int | None], Awaitable[GpuChange]]
"""Of the token of a lease."""


def plan(options: argparse.Namespace) -> int:
    """2 where there are changes, 0 where there are none, 1 where they would be refused."""
    return asyncio.run(_plan(options, _wanting(options)))


def apply(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_apply(options, _wanting(options)))


def undo(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_apply(options, plan_undo))


def settle(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_settle(options))


async def _plan(options: argparse.Namespace, propose: Propose) -> int:
    async with reached(inventory_of(options)) as found:
        _, _, planned = await _planned(found, options, propose)
        if not planned.plan.changes:
            return Exit.DONE
        if refusal := _refusal(planned, drain=options.drain):
            say_reason(refusal)
            return Exit.FAILED
        return Exit.CHANGES


async def _apply(options: argparse.Namespace, propose: Propose) -> int:
    async with reached(inventory_of(options)) as found:
        node, uuid, planned = await _planned(found, options, propose)
        if not planned.plan.changes:
            say("nothing to do")
            return Exit.DONE
        if refusal := _refusal(planned, drain=options.drain):
            raise CommandFailed(Exit.FAILED, refusal)
        _confirm(node, planned, sure=options.yes)
        reason = f"fractions {options.verb} {options.gpu}"

        async def begin(token: int | None) -> GpuChange:
            return await apply_layout(found.fleet, node, planned, reason, drain=options.drain, token=token)

        return await _carry(found, node, uuid, begin, reason, options)


async def _planned(found: Reached, options: argparse.Namespace, propose: Propose) -> tuple[str, str, GpuPlan]:
    """Node, GPU and what is planned for it, which is shown. Raises CommandFailed."""
    node, uuid = find_gpu(found, options.gpu)
    try:
        planned = await propose(found.fleet, node, uuid)
    except RequestFailed as failed:
        raise _failed(failed) from None
    _show(node, planned, Format(options.output))
    return node, uuid, planned


async def _settle(options: argparse.Namespace) -> int:
    back = options.verb == "rollback"
    async with reached(inventory_of(options)) as found:
        node, uuid = find_gpu(found, options.gpu)
        if not options.yes:
            _ask(f"{'Go back to the layout before' if back else 'Go on with the change'} on {options.gpu}?")

        async def begin(token: int | None) -> GpuChange:
            return await settle_layout(found.fleet, node, uuid, back=back, token=token)

        return await _carry(found, node, uuid, begin, f"fractions {options.verb} {options.gpu}", options)


async def _carry(found: Reached, node: str, uuid: str, begin: Begin, purpose: str, options: argparse.Namespace) -> int:
    """Hold the node while its GPU changes, and tell every phase. Raises CommandFailed."""
    try:
        async with held(found.fleet, [node], purpose, take_over=options.take_over) as tokens:
            asked = await begin(tokens.get(node))
            if options.no_wait:
                return Exit.DONE
            ended = asked
            async for ended in follow(found.fleet, node, uuid):
                if not ended.over:
                    say(f"{options.gpu} {change_line(ended)}")
    except NotHeld as others:
        for refused in others.refused:
            say_reason(refused.reason or Reason("internal", "refused"), refused.node)
        return Exit.UNREACHABLE if any(one.unreachable for one in others.refused) else Exit.FAILED
    except RequestFailed as failed:
        raise _failed(failed) from None
    return _end(options, ended, back=asked.rolling_back)


def _end(options: argparse.Namespace, ended: GpuChange, *, back: bool) -> Exit:
    """`back` is what was asked for."""
    if Format(options.output) is Format.JSON:
        print_json_line("layout_change", msgspec.to_builtins(ended))
    why = change_reason(ended)
    say(f"{options.gpu} {change_line(ended)}{f': {why}' if why else ''}")
    if ended.phase is ChangePhase.STUCK:
        say(f"`gpuyard fractions resume {options.gpu}` goes on, `gpuyard fractions rollback {options.gpu}` goes back")
        return Exit.FAILED
    return Exit.DONE if ended.rolling_back is back else Exit.ROLLED_BACK


def _wanting(options: argparse.Namespace) -> Propose:
    """Raises CommandFailed."""
    return partial(plan_layout, request=_wanted(options))


def _wanted(options: argparse.Namespace) -> Mapping[str, int] | None:
    """None is MIG off. Raises CommandFailed."""
    if options.off:
        if options.layout:
            raise CommandFailed(Exit.USAGE, Reason("usage", "--off leaves no instances", "give one or the other"))
        return None
    if not options.layout:
        raise CommandFailed(Exit.USAGE, Reason("usage", "which instances?", "`3x1g.10gb 1x3g.40gb`, or --off"))
    try:
        return mig.request(options.layout)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, Reason("usage", str(error))) from None


def _refusal(planned: GpuPlan, *, drain: bool) -> Reason | None:
    """The node decides it once more; this is for the words."""
    if planned.missing:
        return planned.missing
    if planned.foreign:
        text = f"{plural(len(planned.foreign), 'process')} of others on what is to go: never ended by gpuyard"
        return Reason("in_use", text, "end them, or ask their owners")
    if planned.drained and not drain:
        names = ", ".join(one.instance for one in planned.drained)
        return Reason("in_use", f"it would end {names}", "--drain lets requests finish, then stops")
    return None


def _show(node: str, planned: GpuPlan, output: Format) -> None:
    if output is Format.JSON:
        print_json("layout_plan", [{"node": node, **msgspec.to_builtins(planned)}])
    elif output is Format.NAME:
        print("\n".join(f"{slot.profile}@{slot.start}" for slot in planned.plan.wanted.slots))
    else:
        print("\n".join(layout_plan_lines(node, planned)), flush=True)


def _confirm(node: str, planned: GpuPlan, *, sure: bool) -> None:
    """Raises CommandFailed."""
    if sure:
        return
    ends = f"; ends {', '.join(one.instance for one in planned.drained)}" if planned.drained else ""
    _ask(f"Divide gpu{planned.gpu_index} of {node} so{ends}?")


def _ask(question: str) -> None:
    """Raises CommandFailed."""
    if not is_interactive():
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody is here to say yes", "give --yes"))
    if not ask(question):
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nothing was changed"))


def _failed(failed: RequestFailed) -> CommandFailed:
    if isinstance(failed, NodeUnreachable):
        return CommandFailed(Exit.UNREACHABLE, failed.reason)
    return CommandFailed(Exit.STALE if failed.reason.code == "stale" else Exit.FAILED, failed.reason)
