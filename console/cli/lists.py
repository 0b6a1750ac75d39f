"""`status`, `nodes`, `gpus`, `fractions`, `services`, `instances`, `events`: rows of the screens, as text or JSON."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from console.cli import items
from console.cli.output import Format, print_json
from console.cli.session import hear_events, inventory_of, reached
from console.cli.table import print_table
from console.render import cordons
from console.render.burn import burns, times
from console.render.fractions import PART_COLUMNS, part_rows
from console.render.gpus import GPU_COLUMNS, MORE_COLUMNS, gpu_row, more_cells
from console.render.instances import INSTANCE_COLUMNS, instance_row
from console.render.money import dollars
from console.render.nodes import NODE_COLUMNS, label_words, node_row
from console.render.pulse import problems
from console.render.services import SERVICE_COLUMNS, service_row, services
from console.render.table import Cell, Column, Row, rank_of_name
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
OF_THE_INVENTORY = (Column("owner", "Owner", 5, priority=9), Column("labels", "Labels", 6, priority=9))


@dataclass(frozen=True)
class Listing:
    """One list in its three forms."""

    columns: Sequence[Column]
    rows: Callable[[Store], Iterable[Sequence[Cell]]]
    items: Callable[[Store], Iterable[items.Item]]
    names: Callable[[Store], Iterable[str]]


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    kind: str = options.verb
    output = Format(options.output)
    async with reached(inventory_of(options)) as found:
        if kind == "events":
            await hear_events(found)
        _print(kind, output, found.store)
        while options.watch:
            await asyncio.sleep(WATCH_EVERY_S)
            found.store.age()
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J")
            _print(kind, output, found.store)
        return found.say_lost()


def _print(kind: str, output: Format, store: Store) -> None:
    if kind == "status":
        _print_status(output, store)
        return
    listed = LISTINGS[kind]
    if output is Format.JSON:
        print_json(kind, list(listed.items(store)))
    elif output is Format.NAME:
        for name in listed.names(store):
            print(name)
    else:
        rows = sorted(listed.rows(store), key=rank_of_name(listed.columns))
        print_table(listed.columns, rows, wide=output is Format.WIDE)


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


def _event_rows(store: Store) -> Iterable[Sequence[Cell]]:
    for at, view, event in _events(store):
        texts = (clock(at), view.name, event.kind, event.instance or "", one_line(event.text), event.author)
        yield [Cell(text) for text in texts]


def _rows(make: Callable[[Store, Key], Row | None], kind: Kind) -> Callable[[Store], Iterable[Sequence[Cell]]]:
    def rows(store: Store) -> Iterable[Sequence[Cell]]:
        for key in store.keys(kind):
            if (row := make(store, key)) is not None:
                yield row.cells

    return rows


def _gpu_rows(store: Store) -> Iterable[Sequence[Cell]]:
    for view, gpu in store.gpus():
        if (row := gpu_row(store, Key(Kind.GPU, view.name, gpu.uuid))) is not None:
            yield *row.cells[:-1], *more_cells(gpu), row.cells[-1]


def _node_rows(store: Store) -> Iterable[Sequence[Cell]]:
    for view in store.nodes.values():
        if (row := node_row(store, Key(Kind.NODE, view.name))) is not None:
            own = (Cell(view.owner), Cell(label_words(view.labels)))
            yield *row.cells[:-1], *own, row.cells[-1]


LISTINGS = {
    "nodes": Listing(
        (*NODE_COLUMNS[:-1], *OF_THE_INVENTORY, NODE_COLUMNS[-1]),
        _node_rows,
        lambda store: (items.node_item(store, view) for view in store.nodes.values()),
        lambda store: store.nodes,
    ),
    "gpus": Listing(
        (*GPU_COLUMNS[:-1], *MORE_COLUMNS, GPU_COLUMNS[-1]),
        _gpu_rows,
        lambda store: (items.gpu_item(view, gpu) for view, gpu in store.gpus()),
        lambda store: (f"{view.name}/{gpu.index}" for view, gpu in store.gpus()),
    ),
    "instances": Listing(
        INSTANCE_COLUMNS,
        _rows(instance_row, Kind.INSTANCE),
        lambda store: (items.instance_item(view, one) for view, one in store.instances()),
        lambda store: (f"{view.name}:{one.name}" for view, one in store.instances()),
    ),
    "fractions": Listing(
        PART_COLUMNS,
        part_rows,
        lambda store: (items.sharing_item(view, gpu) for view, gpu in store.gpus()),
        lambda store: (f"{view.name}/{gpu.index}" for view, gpu in store.gpus()),
    ),
    "services": Listing(
        SERVICE_COLUMNS,
        _rows(service_row, Kind.SERVICE),
        lambda store: (items.service_item(service) for service in services(store)),
        lambda store: (service.name for service in services(store)),
    ),
    "events": Listing(
        EVENT_COLUMNS,
        _event_rows,
        lambda store: (items.event_item(view, event) for _, view, event in _events(store)),
        lambda store: (f"{view.name}:{event.seq}" for _, view, event in _events(store)),
    ),
}
