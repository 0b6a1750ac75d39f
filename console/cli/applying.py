"""From a plan to what became of it: show it, ask, apply, wait."""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from console import contexts
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.plans import plan_items, settling_line
from console.cli.rolling import roll_out
from console.cli.session import Reached
from console.holding import NotHeld, held
from console.operations import Applied
from console.render.fit import fit
from console.render.plan import plan_lines
from console.spending import of_plan
from profiles.observed.status import Reason
from profiles.plans.plan import Action, Plan

WIDE = 120
"""Columns of what is no terminal."""
_BLOCKED = {"unreachable": Exit.UNREACHABLE, "stale": Exit.STALE}


def check_may_change(options: argparse.Namespace) -> None:
    """Before anything is reached. Raises CommandFailed."""
    if options.read_only:
        raise CommandFailed(Exit.FAILED, Reason("read_only", "nothing is changed", "leave --read-only out"))
    if options.entered and options.entered.read_only:
        text = f"nothing is changed: the context {options.entered.name} is read-only"
        raise CommandFailed(Exit.FAILED, Reason("read_only", text, f"{contexts.usual()} says so"))


async def carry_through(
    found: Reached, plan: Plan, reason: str, options: argparse.Namespace, *, hold: bool = False
) -> int:
    """The exit code. `reason` is for the record of the nodes; with `hold`, or to take over, nobody else changes
    them until it is over. A plan that says how goes in waves."""
    show(found, plan, options)
    if plan.blockers:
        return blocked(found, plan)
    touched = {edit.node for edit in plan.nodes}
    found.say_lost(view for view in found.lost() if view.name not in touched)
    if not plan.changes_anything:
        say("nothing to do")
        return Exit.DONE
    _confirm(plan, sure=options.yes)
    if not (hold or options.take_over):
        return await _apply(found, plan, reason, options, {})
    try:
        expected = {edit.node: edit.expected_generation for edit in plan.nodes}
        async with held(found.fleet, touched, reason, take_over=options.take_over, expected=expected) as tokens:
            if plan.rollout and not options.no_wait and any(edit.applies for edit in plan.nodes):
                return await roll_out(found, plan, reason, tokens)
            return await _apply(found, plan, reason, options, tokens)
    except NotHeld as others:
        say("nothing was changed")
        return max(_say_refusals(others.refused).values())


async def _apply(
    found: Reached, plan: Plan, reason: str, options: argparse.Namespace, tokens: Mapping[str, int]
) -> int:
    refused = _say_refusals(await found.operations.apply(plan, reason, tokens))
    steps = [step for step in plan.steps if step.action is not Action.KEEP]
    codes = [
        max(refused[node] for node in step.nodes if node in refused) for step in steps if refused.keys() & step.nodes
    ]
    codes += [refused[node] for node in refused.keys() - {node for step in steps for node in step.nodes}]
    taken = tuple(step for step in steps if not refused.keys() & step.nodes)
    codes += [Exit.DONE] * len(taken) if options.no_wait else await _settle(found, replace(plan, steps=taken))
    return outcome(codes)


def show(found: Reached, plan: Plan, options: argparse.Namespace) -> None:
    """On stdout, in the format that is asked for; as wide as the terminal is."""
    output, money = Format(options.output), of_plan(found.store, plan)
    if output is Format.JSON:
        print_json("plan", plan_items(plan, money))
    elif output is Format.NAME:
        print("\n".join(f"{step.node}:{step.instance}" for step in plan.steps))
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
        lines = plan_lines(plan, money, columns)
        print("\n".join(fit(line, columns).rstrip() if sys.stdout.isatty() else line for line in lines), flush=True)


def blocked(found: Reached, plan: Plan) -> Exit:
    """Say what is in the way; the exit code that it makes."""
    code = Exit.FAILED
    for blocker in plan.blockers:
        say_reason(blocker)
        code = max(code, _BLOCKED.get(blocker.code, code))
    if code is Exit.FAILED and any(blocker.code == "unplaceable" for blocker in plan.blockers):
        code = max(code, found.say_lost())
    return code


def _confirm(plan: Plan, *, sure: bool) -> None:
    if sure:
        return
    if not is_interactive():
        hint = "read the plan above, then add --yes"
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody is here to say yes to the plan", hint))
    if not ask(f"Apply this plan ({plan.title})?"):
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nothing was changed"))


def _say_refusals(applied: Sequence[Applied]) -> dict[str, Exit]:
    """The nodes that did not take their part, each with its code."""
    refused: dict[str, Exit] = {}
    for answer in applied:
        if answer.ok:
            continue
        reason = answer.reason or Reason("internal", "refused")
        if reason.code == "stale" and not reason.hint:
            reason = Reason("stale", reason.text, "run the command again to see the new plan")
        say_reason(reason, answer.node)
        code = Exit.STALE if reason.code == "stale" else Exit.FAILED
        refused[answer.node] = Exit.UNREACHABLE if answer.unreachable else code
    return refused


async def _settle(found: Reached, plan: Plan) -> list[Exit]:
    """Tell every change on stderr until all is as planned; a code for each step that came to an end."""
    codes: list[Exit] = []
    said: dict[tuple[str, str], str] = {}
    async for now in found.operations.wait_settled(plan):
        key, line = (now.step.node, now.step.instance), settling_line(now, timed=False)
        if said.get(key) != line:
            said[key] = line
            say(settling_line(now))
        if now.ok is False:
            codes.append(Exit.FAILED if found.store.nodes[now.step.node].counted else Exit.UNREACHABLE)
        elif now.ok:
            codes.append(Exit.DONE)
    return codes
