"""`gpuyard node cordon`, `gpu cordon` and what takes them back: an edit of the nodes' documents, by plan."""

import argparse
import asyncio
from collections.abc import Callable, Sequence

from console.cli.applying import carry_through, check_may_change
from console.cli.names import find_gpu
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached, inventory_of, reached
from profiles.observed.status import Reason
from profiles.plans.cordon_plan import Place

Find = Callable[[Reached, Sequence[str]], list[Place]]


def nodes(options: argparse.Namespace) -> int:
    return _run(options, options.nodes, _find_nodes)


def gpus(options: argparse.Namespace) -> int:
    return _run(options, options.places, _find_gpus)


def _run(options: argparse.Namespace, names: Sequence[str], find: Find) -> int:
    check_may_change(options)
    return asyncio.run(_change(options, names, find))


async def _change(options: argparse.Namespace, names: Sequence[str], find: Find) -> int:
    verb: str = options.verb
    reason: str = options.reason
    async with reached(inventory_of(options)) as found:
        plan = found.operations.propose_cordon(find(found, names), lift=verb == "uncordon", reason=reason)
        options.no_wait = options.take_over = False
        return await carry_through(found, plan, f"{verb} {' '.join(names)}{f': {reason}' if reason else ''}", options)


def _find_nodes(found: Reached, names: Sequence[str]) -> list[Place]:
    for name in names:
        _known(found, name)
    return [Place(name) for name in names]


def _find_gpus(found: Reached, names: Sequence[str]) -> list[Place]:
    """Raises CommandFailed: an index that is not there, or one of a node that cannot say which GPU it is."""
    places = []
    for name in names:
        node, uuid = find_gpu(found, name)
        places.append(Place(node, uuid, found.store.nodes[node].gpus[uuid].index))
    return places


def _known(found: Reached, node: str) -> None:
    if node not in found.store.nodes:
        known = ", ".join(sorted(found.store.nodes))
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {node}", f"nodes: {known}"))
