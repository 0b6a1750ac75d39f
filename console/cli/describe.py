"""`describe KIND NAME`: one thing in full, as its page in the console has it, or as JSON."""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from console.cli import items
from console.cli.names import find_gpu, find_instance, find_node, find_process, find_service, process_named
from console.cli.output import Exit, Format, print_json
from console.cli.session import Reached, hear_events, inventory_of, reached
from console.inventory import Inventory
from console.past import ask_latencies
from console.processes import list_into
from console.render.fit import Line
from console.render.gpu import gpu_lines
from console.render.instance import instance_lines
from console.render.node import node_lines
from console.render.process import process_lines
from console.render.service import service_lines
from console.render.services import service_view
from console.store import Key, Kind, Store
from profiles.text.clean import clean

UNCUT_CELLS = 10_000
"""Of a line where stdout is no terminal."""


@dataclass(frozen=True)
class Page:
    """How a thing of one kind is found by its name, and told."""

    find: Callable[[Reached, str], Key]
    lines: Callable[[Store, Key, int], list[Line]]
    item: Callable[[Store, Key], items.Item]


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> Exit:
    kind, name, page = options.kind, options.name, PAGES[options.kind]
    async with reached(_holding(inventory_of(options), kind, name)) as found:
        if kind == Kind.PROCESS:
            await list_into(found.fleet, found.store, find_node(found, process_named(name)[0]))
        key = page.find(found, name)
        await hear_events(found)
        await _hear_latencies(found, key)
        if Format(options.output) is Format.JSON:
            print_json(f"describe {kind}", [page.item(found.store, key)])
        else:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNCUT_CELLS
            for line in page.lines(found.store, key, width):
                print(clean("".join(text for text, _ in line)).rstrip())
    return Exit.DONE


async def _hear_latencies(found: Reached, key: Key) -> None:
    """Of the instance that is described, or of the replicas of the service."""
    names: dict[str, list[str]] = {}
    for one in found.store.members(key) if key.kind is Kind.SERVICE else (key,) if key.kind is Kind.INSTANCE else ():
        names.setdefault(one.node, []).append(one.name)
    async with asyncio.TaskGroup() as tasks:
        for node, instances in names.items():
            tasks.create_task(ask_latencies(found.fleet, found.store, node, instances))


def _holding(inventory: Inventory, kind: str, name: str) -> Inventory:
    """Nobody else has to be reached for one node."""
    called = name if kind == Kind.NODE else name.rpartition("/")[0] if kind in (Kind.GPU, Kind.PROCESS) else ""
    node = inventory.nodes.get(called)
    return msgspec.structs.replace(inventory, nodes={called: node}) if node else inventory


def _node_item(store: Store, key: Key) -> items.Item:
    view = store.nodes[key.node]
    return {
        "node": items.node_item(store, view),
        "gpus": [items.gpu_item(view, gpu) for gpu in view.gpus.values()],
        "instances": [items.instance_item(view, one) for one in view.instances.values()],
        "events": [items.event_item(view, event) for event in view.events],
    }


def _gpu_item(store: Store, key: Key) -> items.Item:
    view = store.nodes[key.node]
    card = next((card for card in view.status.gpu_cards if card.uuid == key.name), None) if view.status else None
    return {
        "gpu": items.gpu_item(view, view.gpus[key.name]),
        "card": msgspec.to_builtins(card),
        "events": [items.event_item(view, event) for event in view.events if event.gpu == key.name],
    }


def _process_item(store: Store, key: Key) -> items.Item:
    return {"node": key.node, **msgspec.to_builtins(store.nodes[key.node].processes[key.name])}


def _service_item(store: Store, key: Key) -> items.Item:
    view = service_view(store, key)
    replicas = ((store.nodes[one.node], one.name) for one in store.members(key))
    return {
        "service": items.service_item(view) if view else None,
        "windows": items.window_item([store.recorded.latency.get(one) for one in store.members(key)]),
        "instances": [items.instance_item(node, node.instances[name]) for node, name in replicas],
    }


def _instance_item(store: Store, key: Key) -> items.Item:
    view = store.nodes[key.node]
    status, owned = view.instances.get(key.name), view.desired.instances.get(key.name)
    return {
        "instance": items.instance_item(view, status) if status else None,
        "windows": items.window_item([store.recorded.latency.get(key)]),
        "wanted": msgspec.to_builtins(owned),
        "events": [items.event_item(view, event) for event in view.events if event.instance == key.name],
    }


PAGES = {
    "node": Page(
        lambda found, name: Key(Kind.NODE, find_node(found, name)),
        lambda store, key, width: node_lines(store, key.node, width),
        _node_item,
    ),
    "gpu": Page(lambda found, name: Key(Kind.GPU, *find_gpu(found, name)), gpu_lines, _gpu_item),
    "process": Page(lambda found, name: Key(Kind.PROCESS, *find_process(found, name)), process_lines, _process_item),
    "service": Page(lambda found, name: Key(Kind.SERVICE, "", find_service(found, name)), service_lines, _service_item),
    "instance": Page(
        lambda found, name: Key(Kind.INSTANCE, *find_instance(found, name)), instance_lines, _instance_item
    ),
}
