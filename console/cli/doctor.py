"""`gpuyard node doctor`: what is wrong between here and the nodes, and on them, each with its fix."""

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from agents.wire import SelfCheck, SelfChecked
from console import inventory as inventories
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say
from console.cli.session import NO_ANSWER, Reached, inventory_of, reached
from console.hosts import linkfindings, ownfindings, sshfindings
from console.hosts.sshconfig import lines_for
from console.inventory import Inventory
from console.remote import hostkeys
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed import bundle
from profiles.observed.finding import Finding, Severity, has_problem, in_short, lines, needs_something, ordered, warning
from profiles.observed.status import Reason, Role
from profiles.text.clean import clean

DEADLINE_S = 45.0
ONE_NODE = 2
"""Examined: this console and it."""


class Examined(NamedTuple):
    """A node, or "" for this console itself."""

    node: str
    findings: list[Finding]
    files: dict[str, str]
    is_reached: bool = True


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    whole, names = inventory_of(options), options.nodes
    if lacking := [name for name in names if name not in whole.nodes]:
        hint = f"nodes: {', '.join(whole.nodes)}"
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {', '.join(lacking)}", hint))
    inventory = Inventory(nodes={name: node for name, node in whole.nodes.items() if not names or name in names})
    file: Path | None = options.bundle
    if file and file.exists():
        raise CommandFailed(Exit.FAILED, Reason("bundle", f"{file} exists already", "give the path of a new file"))
    async with reached(inventory) as found:
        nodes = await asyncio.gather(*(_examine(found, inventory, name, files=bool(file)) for name in inventory.nodes))
    own = Examined("", list(ownfindings.look(_file_of(options), hostkeys.own_file())), {})
    print_examined([own, *nodes], Format(options.output))
    if file:
        _write_bundle(file, [own, *nodes], _settings(options, inventory), sure=options.yes)
    return max(_code(one) for one in (own, *nodes))


async def _examine(found: Reached, inventory: Inventory, name: str, *, files: bool) -> Examined:
    node, view = inventory.nodes[name], found.store.nodes[name]
    ssh = [] if node.local else await sshfindings.look(node)
    checked, refused = await _self_check(found, name, files=files) if view.counted else (SelfChecked(findings=()), [])
    link = linkfindings.judge(view, checked.way, version("gpuyard"), NO_ANSWER)
    findings = ordered([*ssh, *link, *refused, *checked.findings])
    return Examined(name, findings, checked.files, view.counted)


async def _self_check(found: Reached, name: str, *, files: bool) -> tuple[SelfChecked, list[Finding]]:
    """What the agent finds on its machine, or why it does not say. Files are asked for where the role allows it."""
    is_admin = found.store.nodes[name].role is Role.ADMIN
    try:
        request = SelfCheck(files=files and is_admin)
        checked = await found.fleet.request(name, request, SelfChecked, deadline_s=DEADLINE_S)
    except RequestFailed as failed:
        why = failed.reason
        hint = why.hint or "see that agent and console are of one version; `gpuyard-agent doctor` says it on the host"
        lost = isinstance(failed, NodeUnreachable)
        text = f"the node did not look itself over: {why.text}{' (the link broke)' if lost else ''}"
        return SelfChecked(findings=()), [warning("self_check", text, hint)]
    if files and not is_admin:
        fix = "connect as an admin, or run `gpuyard-agent doctor --bundle` there"
        return checked, [warning("self_check", "its logs and settings are not in the bundle: they are an admin's", fix)]
    return checked, []


def print_examined(examined: Sequence[Examined], output: Format) -> None:
    """Of several nodes what is well is left out, unless `output` is wide."""
    if output is Format.JSON:
        print_json("doctor", [item for one in examined for item in _items(one)])
        return
    if output is Format.NAME:
        print("\n".join(one.node for one in examined if one.node and has_problem(one.findings)))
        return
    is_whole = output is Format.WIDE or len(examined) <= ONE_NODE
    width = shutil.get_terminal_size().columns - 2 if sys.stdout.isatty() else None
    for one in examined:
        print(f"{one.node or 'this console'}: {in_short(one.findings)}")
        for line in lines(one.findings if is_whole else filter(needs_something, one.findings), width):
            print(f"  {clean(line)}")
    if not is_whole:
        say("what is well is left out: `-o wide`, or one node, shows all")


def _items(one: Examined) -> list[dict[str, object]]:
    return [
        {"node": one.node, "topic": found.topic, "code": found.code, "severity": str(found.severity),
         "seen": found.seen, "fix": found.fix}
        for found in one.findings
    ]  # fmt: skip


def _code(one: Examined) -> Exit:
    if not one.is_reached:
        return Exit.UNREACHABLE
    return Exit.FAILED if any(found.severity is Severity.PROBLEM for found in one.findings) else Exit.DONE


def _file_of(options: argparse.Namespace) -> Path | None:
    given: str | None = options.inventory
    path = Path(given) if given else inventories.find()
    return path if path.exists() else None


def _settings(options: argparse.Namespace, inventory: Inventory) -> dict[str, str]:
    """This console's part of a bundle: the inventory, and the lines of the ssh config that apply to its nodes."""
    file = _file_of(options)
    used = [
        f"{name}  {line.place}  {line.word} {line.value}"
        for name, node in inventory.nodes.items()
        for line in (() if node.local else lines_for(node.address))
    ]
    return {"inventory.yaml": file.read_text("utf-8", "replace") if file else "", "ssh-config.txt": "\n".join(used)}


def _write_bundle(path: Path, examined: Sequence[Examined], settings: dict[str, str], *, sure: bool) -> None:
    """After showing what will be in it. Raises CommandFailed."""
    files = {f"console/{name}": text for name, text in settings.items() if text}
    for one in examined:
        found = msgspec.json.format(msgspec.json.encode(_items(one))).decode()
        files[f"{one.node or 'console'}/findings.json"] = found
        files |= {f"{one.node}/{clean(name).replace('..', '.')}": text for name, text in one.files.items()}
    inside = bundle.scrubbed(files)
    say("\n  ".join((f"{path} will hold, with secrets taken out:", *map(clean, bundle.contents(inside)))))
    if not sure and is_interactive() and not ask(f"Write {path}?"):
        raise CommandFailed(Exit.FAILED, Reason("declined", "no bundle was written"))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bundle.packed(inside, time.time()))
    except OSError as error:
        why = Reason("bundle", f"{path} cannot be written: {error.strerror}", "give the path of a new file")
        raise CommandFailed(Exit.FAILED, why) from None
