"""What engines took of memory, asked of the nodes for `gpuyard fit`."""

import argparse

import msgspec

from agents import wire
from console.cli.names import find_node
from console.cli.output import say
from console.cli.processes import say_failed
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import RequestFailed
from engines.measured import Measurement, fitting
from profiles.gpu.gputypes import type_of


class Measured(msgspec.Struct, frozen=True):
    """`measurement` was kept by `node`."""

    node: str
    measurement: Measurement


async def newest(options: argparse.Namespace) -> Measured | None:
    """Of this model on as many GPUs of the type, from `--node` or all nodes; it is said where there is none.

    Raises CommandFailed for a node that is not in the inventory.
    """
    async with reached(inventory_of(options)) as found:
        nodes = [find_node(found, options.node)] if options.node else _counted(found)
        found.say_lost([] if options.node else None)
        kept = [Measured(node, one) for node in nodes for one in await _kept_by(found, node)]
    fit = [one for one in kept if _fits(options, one.measurement)]
    if not fit:
        say(f"nothing was measured of this model on {options.gpus} × {options.gpu}: the estimate is not corrected")
    return max(fit, key=lambda one: one.measurement.taken.at_unix_s, default=None)


def _fits(options: argparse.Namespace, found: Measurement) -> bool:
    boards = {(type_of(board) or board).lower() for board in found.gpus.split(", ")}
    return boards == {options.gpu.lower()} and bool(fitting([found], options.model, options.gpus))


def _counted(found: Reached) -> list[str]:
    return [view.name for view in found.store.nodes.values() if view.counted]


async def _kept_by(found: Reached, node: str) -> tuple[Measurement, ...]:
    try:
        return (await found.fleet.request(node, wire.ReadMeasurements(), wire.Measurements)).measurements
    except RequestFailed as failed:
        say_failed(failed, node)
        return ()
