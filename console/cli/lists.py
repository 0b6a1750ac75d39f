"""`status`, `nodes`, `gpus`, `fractions`, `services`, `instances`, `events`: rows of the screens, as text or JSON."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from console.cli import items
from console.cli.output import Format, print_json
from console.cli.session import hear_events, inventory_of, reached
from console.cli.shape import Entry, Shape, shape_of
from console.cli.table import print_table
from console.render import cordons
from console.render.burn import burns, times
from console.render.fractions import PART_COLUMNS, part_rows
from console.render.gpus import GPU_COLUMNS, MORE_COLUMNS, gpu_row, more_cells
from console.render.instances import INSTANCE_COLUMNS, instance_row
from console.render.money import dollars
from console.render.nodes import INVENTORY_COLUMNS, NODE_COLUMNS, inventory_cells, node_row
from console.render.pulse import problems
from console.render.services import SERVICE_COLUMNS, service_row, service_view
from console.render.table import Cell, Column
from console.render.text import UNKNOWN, clock, number, one_line, plural, rate
from console.render.traffic import of_nodes
from console.spending import of_fleet
from console.store import Key, Kind, NodeState, NodeView, Store
from profiles.observed.status import Event, Phase

WATCH_EVERY_S = 1.0

EVENT_COLUMNS = (
    Column("at", "Time", 8, priority=1),
    Column("node", "Node", 8, priority=1),
    Column("kind", "Kind", 7, priority=4),
    Column("instance", "Instance", 10, priority=2),
    Column("text", "What", 20, priority=1, grow=True),
    Column("author", "By", 6, priority=5),
)


@dataclass(frozen=True)
class Listing:
    """One list: the columns of its table, and what is in it."""

    columns: Sequence[Column]
    entries: Callable[[Store], Iterable[Entry]]


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    kind: str = options.verb
    output = Format(options.output)
    shape = None if kind == "status" else shape_of(options, LISTINGS[kind].columns)
    async with reached(inventory_of(options)) as found:
        if kind == "events":
            await hear_events(found)
        _print(kind, output, found.store, shape)
        while options.watch:
            await asyncio.sleep(WATCH_EVERY_S)
            found.store.age()
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J")
            _print(kind, output, found.store, shape)
        return found.say_lost()


def _print(kind: str, output: Format, store: Store, shape: Shape | None) -> None:
    if shape is None:
        _print_status(output, store)
        return
    entries = shape.of(LISTINGS[kind].entries(store))
    if output is Format.JSON:
        print_json(kind, [entry.item() for entry in entries])
    elif output is Format.NAME:
        for entry in entries:
            print(entry.name)
    else:
        print_table(shape.columns, shape.rows(entries), wide=output is Format.WIDE)


def _print_status(output: Format, store: Store) -> None:
    found = problems(store)
    if output is Format.JSON:
        print_json("status", [items.node_item(store, view) for view in store.nodes.values()])
        return
    if output is not Format.NAME:
        print(_summary(store))
        print(serving_line(store))
    for text, _ in found:
        print(one_line(text))


def _summary(store: Store) -> str:
    """`nodes 2 of 3 up   GPUs 16   instances 4: 3 ready, 1 failed`."""
    views = list(store.nodes.values())
    up = sum(view.state is NodeState.UP for view in views)
    phases = [status.phase for view, status in store.instances() if view.counted]
    counts = ", ".join(f"{phases.count(phase)} {phase}" for phase in Phase if phase in phases)
    gpus = sum(len(view.gpus) for view in views if view.counted)
    instances = f"{plural(len(phases), 'instance')}{f': {counts}' if counts else ''}"
    cordoned = cordons.count([view for view in views if view.counted])
    told = f"{up} of {plural(len(views), 'node')} up   {plural(gpus, 'GPU')}   {instances}"
    return f"{told}   {cordoned}" if cordoned else told


def serving_line(store: Store) -> str:
    """`req/s 112.3   tokens/s 16,845   worst burn 17.8× llama-70b/0   $70.80/h`."""
    does = of_nodes(store.nodes.values())
    burnt = [(found.low, found.high, status.name, found) for view, status in store.instances()
             if view.counted and (found := burns(view, status)[0]) is not None]  # fmt: skip
    worst = f"{times(max(burnt)[3])} {max(burnt)[2]}" if burnt else UNKNOWN
    bill = of_fleet(store)
    money = f"   {dollars(bill.total)}/h" if bill.total else ""
    return f"req/s {rate(does.requests_per_s)}   tokens/s {number(does.generation_tok_s)}   worst burn {worst}{money}"


def _events(store: Store) -> list[tuple[float, NodeView, Event]]:
    """Of all nodes, by our clock."""
    found = [
        (event.at_unix_s - view.clock_skew_s, view, event) for view in store.nodes.values() for event in view.events
    ]
    return sorted(found, key=lambda one: one[0])


def _nodes(store: Store) -> Iterable[Entry]:
    for view in store.nodes.values():
        if (row := node_row(store, Key(Kind.NODE, view.name))) is not None:
            yield Entry([[*row.cells, *inventory_cells(view)]], partial(items.node_item, store, view), view.name)


def _gpus(store: Store) -> Iterable[Entry]:
    for view, gpu in store.gpus():
        if (row := gpu_row(store, Key(Kind.GPU, view.name, gpu.uuid))) is not None:
            rows = [[*row.cells, *more_cells(gpu)]]
            yield Entry(rows, partial(items.gpu_item, view, gpu), f"{view.name}/{gpu.index}")


def _instances(store: Store) -> Iterable[Entry]:
    for view, one in store.instances():
        if (row := instance_row(store, Key(Kind.INSTANCE, view.name, one.name))) is not None:
            yield Entry([row.cells], partial(items.instance_item, view, one), f"{view.name}:{one.name}")


def _services(store: Store) -> Iterable[Entry]:
    for key in sorted(store.keys(Kind.SERVICE), key=lambda key: key.name):
        row, service = service_row(store, key), service_view(store, key)
        if row is not None and service is not None:
            yield Entry([row.cells], partial(items.service_item, service), service.name)


def _fractions(store: Store) -> Iterable[Entry]:
    """A row a part, and all parts of a GPU as one thing."""
    for view, gpu in store.gpus():
        yield Entry(list(part_rows(view, gpu)), partial(items.sharing_item, view, gpu), f"{view.name}/{gpu.index}")


def _event_list(store: Store) -> Iterable[Entry]:
    for at, view, event in _events(store):
        texts = (clock(at), view.name, event.kind, event.instance or "", one_line(event.text), event.author)
        row = [Cell(text, text) for text in texts]
        yield Entry([row], partial(items.event_item, view, event), f"{view.name}:{event.seq}")


LISTINGS = {
    "nodes": Listing((*NODE_COLUMNS, *INVENTORY_COLUMNS), _nodes),
    "gpus": Listing((*GPU_COLUMNS, *MORE_COLUMNS), _gpus),
    "instances": Listing(INSTANCE_COLUMNS, _instances),
    "fractions": Listing(PART_COLUMNS, _fractions),
    "services": Listing(SERVICE_COLUMNS, _services),
    "events": Listing(EVENT_COLUMNS, _event_list),
}
