"""`profile save`: what runs, as a file that keeps everything as it is; one that would not is never written."""

import argparse
import asyncio
from pathlib import Path

from console import profile_files
from console.cli.editing import told
from console.cli.output import CommandFailed, Exit, ask, is_interactive, say
from console.cli.session import Reached, inventory_of, inventory_path, reached
from console.recorded_text import recorded_text
from console.remote.errors import RequestFailed
from profiles.desired.model import Wanted
from profiles.files.load import parse_profile
from profiles.gpu.gputypes import type_of
from profiles.observed.status import Reason
from profiles.plans.capture import captured
from profiles.plans.plan import Action, Plan
from profiles.text.document import FileError, Plain
from profiles.text.written import written
from profiles.text.yamltext import read


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    name: str = options.name
    async with reached(inventory_of(options)) as found:
        if found.lost():
            raise CommandFailed(found.say_lost(), Reason("unseen", "what runs there is not known", "bring it back"))
        text = await _text(found, name)
        if options.file == "-":
            print(text, end="")
            return Exit.DONE
        path = Path(options.file) if options.file else profile_files.directory(inventory_path(options)) / f"{name}.yaml"
        with told():
            _write(path, text, sure=options.yes)
        say(f"{path}: {name} as it runs; `gpuyard plan {name}` keeps everything")
        return Exit.DONE


async def _text(found: Reached, name: str) -> str:
    """As it was applied where nothing was changed since, else as it runs. Raises CommandFailed."""
    try:
        _, recorded = await recorded_text(found.fleet, found.store, name)
    except RequestFailed as failed:
        raise CommandFailed(Exit.FAILED, failed.reason) from None
    if recorded:
        text = written(read(recorded, name).data)
        if not _changing(_plan(found, text)):
            return text
        say("edited since it was applied: only what runs is written, not what its file says beside that")
    text = written(_captured(found, name))
    changing = _changing(_plan(found, text))
    if changing:
        reason = Reason("unwritable", f"applied, the file would change {', '.join(changing)}", "see `gpuyard drift`")
        raise CommandFailed(Exit.FAILED, reason)
    return text


def _captured(found: Reached, name: str) -> dict[str, Plain]:
    views = list(found.store.nodes.values())
    owned = [one for view in views for one in view.desired.instances.values() if one.profile == name]
    types = {uuid: type_of(gpu.name) for view in views for uuid, gpu in view.gpus.items()}
    if not owned:
        hint = f"profiles: {', '.join(found.store.profiles()) or 'none'}"
        raise CommandFailed(Exit.FAILED, Reason("not_found", f"nothing of {name} is on a node", hint))
    if stopped := [one.spec.name for one in owned if one.spec.wanted is not Wanted.RUNNING]:
        text = f"{', '.join(stopped)} should not run, and a file cannot say so"
        raise CommandFailed(Exit.FAILED, Reason("unwritable", text, "start it, or take it down"))
    data = captured(name, owned, types.get)
    if isinstance(data, Reason):
        raise CommandFailed(Exit.FAILED, data)
    return data


def _plan(found: Reached, text: str) -> Plan | Reason:
    """Of the file that is about to be written."""
    try:
        return found.operations.propose_profile(parse_profile(read(text, "the file")))
    except FileError as error:
        return Reason("unwritable", str(error), error.hint)


def _changing(plan: Plan | Reason) -> list[str]:
    """What it would change; empty where all stays as it is."""
    if isinstance(plan, Reason):
        return [plan.text]
    return [blocker.text for blocker in plan.blockers] + [
        f"{step.instance} on {step.node}" for step in plan.steps if step.action is not Action.KEEP
    ]


def _write(path: Path, text: str, *, sure: bool) -> None:
    """Raises CommandFailed, OSError."""
    if path.exists() and not sure and not (is_interactive() and ask(f"{path} is there. Write over it?")):
        raise CommandFailed(Exit.FAILED, Reason("exists", f"{path} is there", "`--yes` writes over it"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
