"""`apply`, `run`, `start`, `stop`, `drain`, `restart`: plan, show it, ask, apply, wait."""

import argparse
import asyncio
from collections.abc import Callable

from console.cli import resume
from console.cli.applying import carry_through, check_may_change
from console.cli.asked import Asked, asked, plan_of
from console.cli.names import find_instances
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached, inventory_of, reached
from console.operations import ADHOC
from profiles.desired.model import Service
from profiles.files.load import parse_profile
from profiles.observed.status import Reason
from profiles.plans.plan import Plan
from profiles.plans.verb_plan import Verb
from profiles.text.document import Document, FileError, Mark, Plain
from profiles.text.yamltext import read


def apply(options: argparse.Namespace) -> int:
    check_may_change(options)
    if options.resume is not None:
        return resume.run(options)
    return asyncio.run(_apply(options, asked(options)))


async def _apply(options: argparse.Namespace, what: Asked) -> int:
    async with reached(inventory_of(options)) as found:
        return await carry_through(found, await plan_of(found, what), what.reason, options, hold=True)


def run(options: argparse.Namespace) -> int:
    name, service = _service(options)
    return _run(options, lambda found: found.operations.propose_run(name, service), f"run {name}")


def verb(options: argparse.Namespace) -> int:
    asked = Verb.STOP_NOW if options.now else Verb(options.verb)
    names: list[str] = options.names

    def propose(found: Reached) -> Plan:
        return found.operations.propose(asked, find_instances(found, names))

    return _run(options, propose, f"{asked} {' '.join(names)}")


def _run(options: argparse.Namespace, propose: Callable[[Reached], Plan], reason: str) -> int:
    check_may_change(options)
    return asyncio.run(_change(options, propose, reason))


async def _change(options: argparse.Namespace, propose: Callable[[Reached], Plan], reason: str) -> int:
    async with reached(inventory_of(options)) as found:
        return await carry_through(found, propose(found), reason, options)


def _service(options: argparse.Namespace) -> tuple[str, Service]:
    """What the options of `run` describe, checked like a service in a file."""
    name: str = options.name
    described: dict[str, Plain] = {"engine": options.engine, "model": options.model}
    if gpus := _gpus(options):
        described["gpus"] = gpus
    if options.node:
        described["place"] = {"nodes": options.node}
    if options.runtime:
        described["runtime"] = options.runtime
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


def _gpus(options: argparse.Namespace) -> dict[str, Plain]:
    """`--gpus 4`, or `fra-1/0,fra-1/1`; with `--type`, `--memory` or `--mig` alone, one."""
    keys = ("type", "memory", "mig")
    asked: dict[str, Plain] = {key: text for key in keys if (text := getattr(options, key)) is not None}
    which: str | None = options.gpus
    if which is None:
        return asked
    if which.isascii() and which.isdigit():
        return {"count": int(which), **asked}
    return {"devices": [device.strip() for device in which.split(",")], **asked}


def _value(key: str, text: str) -> Plain:
    """Typed as a profile would have it: `8` is a number, `true` a boolean."""
    if not text:
        return ""
    try:
        return read(text, f"--option {key}").data
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("usage", str(error), error.hint)) from None
