"""`apply`, `run`, `start`, `stop`, `restart`: plan, show it, ask, apply, wait."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from console.cli.names import find_instances
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.plans import plan_items, plan_lines, settling_line
from console.cli.session import Reached, inventory_of, reached
from console.operations import ADHOC, Applied
from profiles.document import Document, FileError, Mark, Plain
from profiles.load import load_profile, parse_profile
from profiles.model import Profile, Service
from profiles.plan import Action, Plan, Verb
from profiles.status import Reason
from profiles.yamltext import read


def apply(options: argparse.Namespace) -> int:
    profile = _profile(options)
    return _run(options, lambda found: found.operations.propose_profile(profile), f"apply {options.file}")


def run(options: argparse.Namespace) -> int:
    name, service = _service(options)
    return _run(options, lambda found: found.operations.propose_run(name, service), f"run {name}")


def verb(options: argparse.Namespace) -> int:
    asked = Verb(options.verb)
    names: list[str] = options.names

    def propose(found: Reached) -> Plan:
        return found.operations.propose(asked, find_instances(found, names))

    return _run(options, propose, f"{asked} {' '.join(names)}")


def _run(options: argparse.Namespace, propose: Callable[[Reached], Plan], reason: str) -> int:
    if options.read_only:
        raise CommandFailed(Exit.FAILED, Reason("read_only", "nothing is changed", "leave --read-only out"))
    return asyncio.run(_change(options, propose, reason))


async def _change(options: argparse.Namespace, propose: Callable[[Reached], Plan], reason: str) -> int:
    async with reached(inventory_of(options)) as found:
        plan = propose(found)
        _show(plan, Format(options.output))
        if plan.blockers:
            return _blocked(found, plan)
        touched = {edit.node for edit in plan.nodes}
        found.say_lost(view for view in found.lost() if view.name not in touched)
        if not plan.changes_anything:
            say("nothing to do")
            return Exit.DONE
        _confirm(plan, sure=options.yes)
        refused = _say_refusals(await found.operations.apply(plan, reason))
        steps = [step for step in plan.steps if step.action is not Action.KEEP]
        codes = [refused[step.node] for step in steps if step.node in refused]
        taken = tuple(step for step in steps if step.node not in refused)
        codes += [Exit.DONE] * len(taken) if options.no_wait else await _settle(found, replace(plan, steps=taken))
        return outcome(codes)


def _show(plan: Plan, output: Format) -> None:
    if output is Format.JSON:
        print_json("plan", plan_items(plan))
    elif output is Format.NAME:
        print("\n".join(f"{step.node}:{step.instance}" for step in plan.steps))
    else:
        print("\n".join(plan_lines(plan)), flush=True)


def _blocked(found: Reached, plan: Plan) -> Exit:
    code = Exit.FAILED
    for blocker in plan.blockers:
        say_reason(blocker)
        if blocker.code == "unreachable":
            code = Exit.UNREACHABLE
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
        refused[answer.node] = Exit.UNREACHABLE if answer.unreachable else Exit.FAILED
    return refused


async def _settle(found: Reached, plan: Plan) -> list[Exit]:
    """Tell every change on stderr until all is as planned; a code for each step that came to an end."""
    codes: list[Exit] = []
    async for now in found.operations.wait_settled(plan):
        say(settling_line(now))
        if now.ok is False:
            codes.append(Exit.FAILED if found.store.nodes[now.step.node].counted else Exit.UNREACHABLE)
        elif now.ok:
            codes.append(Exit.DONE)
    return codes


def _profile(options: argparse.Namespace) -> Profile:
    path: str = options.file
    try:
        return load_profile(Path(path))
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(error), error.hint)) from None


def _service(options: argparse.Namespace) -> tuple[str, Service]:
    """What the options of `run` describe, checked like a service in a file."""
    name: str = options.name
    described: dict[str, Plain] = {"engine": options.engine, "model": options.model}
    if options.gpus:
        described["gpus"] = {"devices": [device.strip() for device in options.gpus.split(",")]}
    if options.node:
        described["place"] = {"nodes": options.node}
    if options.port is not None:
        described["port"] = options.port
    chosen: dict[str, Plain] = {}
    for option in options.option:
        key, equals, value = option.partition("=")
        if not equals:
            raise CommandFailed(Exit.USAGE, Reason("usage", f"--option {option} has no value", "write KEY=VALUE"))
        chosen[key] = _value(key, value)
    described["options"] = chosen
    data: Plain = {"gpuyard": 1, "profile": ADHOC, "services": {name: described}}
    try:
        profile = parse_profile(Document("run", data, {(): Mark(0, 0)}, {}))
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("usage", str(error), error.hint)) from None
    return name, profile.services[name]


def _value(key: str, text: str) -> Plain:
    """Typed as a profile would have it: `8` is a number, `true` a boolean."""
    if not text:
        return ""
    try:
        return read(text, f"--option {key}").data
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("usage", str(error), error.hint)) from None
