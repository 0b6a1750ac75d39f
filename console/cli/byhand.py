"""`gpuyard scale`, `set`, `move` and `node drain`: edits by hand, by plan like any other."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from console import byhand
from console.cli.applying import carry_through, check_may_change
from console.cli.names import find_gpu, find_instances, find_node, find_service
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached, inventory_of, reached
from console.naming import Target
from console.recorded_places import places
from profiles.observed.status import Reason
from profiles.plans.moving import Places
from profiles.plans.plan import Plan
from profiles.text.document import FileError


def scale(options: argparse.Namespace) -> int:
    async def propose(found: Reached) -> Plan:
        profile, _, service = find_service(found, options.service).partition(":")
        there = await places(found.fleet, found.store, [profile])
        return byhand.propose_scale(found.store, profile, service, options.replicas, there)

    return _run(options, propose, f"scale {options.service} {options.replicas}")


def set_keys(options: argparse.Namespace) -> int:
    words: list[str] = options.words
    try:
        names, given, off = byhand.settings_of(words)
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("usage", str(error), error.hint)) from None
    if not names or not (given or off):
        hint = "as in `gpuyard set chat max_num_seqs=96`; `KEY-` takes one off"
        raise CommandFailed(Exit.USAGE, Reason("usage", "say of what, and which key", hint))

    async def propose(found: Reached) -> Plan:
        try:
            return byhand.propose_set(found.store, find_instances(found, names), given, off)
        except FileError as error:
            raise CommandFailed(Exit.USAGE, Reason("invalid", error.message, error.hint)) from None

    return _run(options, propose, f"set {' '.join(words)}")


def move(options: argparse.Namespace) -> int:
    names: list[str] = options.names

    async def propose(found: Reached) -> Plan:
        targets = find_instances(found, names)
        to = None if options.to is None else _open(found, options.to.split(","))
        return byhand.propose_move(found.store, targets, await _places(found, targets), to)

    where = f" --to {options.to}" if options.to else ""
    return _run(options, propose, f"move {' '.join(names)}{where}")


def drain(options: argparse.Namespace) -> int:
    nodes: list[str] = options.nodes
    options.no_wait = options.take_over = False

    async def propose(found: Reached) -> Plan:
        drained = [find_node(found, node) for node in nodes]
        targets = [(node, name) for node in drained for name in found.store.nodes[node].desired.instances]
        return byhand.propose_drain(found.store, drained, await _places(found, targets), options.reason)

    return _run(options, propose, f"node drain {' '.join(nodes)}{f': {options.reason}' if options.reason else ''}")


def _run(options: argparse.Namespace, propose: Callable[[Reached], Awaitable[Plan]], reason: str) -> int:
    check_may_change(options)
    return asyncio.run(_change(options, propose, reason))


async def _change(options: argparse.Namespace, propose: Callable[[Reached], Awaitable[Plan]], reason: str) -> int:
    async with reached(inventory_of(options)) as found:
        return await carry_through(found, await propose(found), reason, options)


async def _places(found: Reached, targets: Iterable[Target]) -> Places:
    owners = {
        owned.profile
        for node, name in targets
        if (owned := found.store.nodes[node].desired.instances.get(name)) is not None
    }
    return await places(found.fleet, found.store, owners)


def _open(found: Reached, places: Sequence[str]) -> dict[str, frozenset[str]]:
    """Node → the UUIDs that may be used there: those that are named, or all of a node that is."""
    to: dict[str, frozenset[str]] = {}
    for place in places:
        if "/" in place:
            node, uuid = find_gpu(found, place)
            to[node] = to.get(node, frozenset()) | {uuid}
        else:
            node = find_node(found, place)
            to[node] = frozenset(gpu.uuid for gpu in found.store.nodes[node].gpus.values())
    return to
