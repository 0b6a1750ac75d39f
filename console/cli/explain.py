"""`explain gpu NODE/0 | instance NAME | service NAME`: who hurts whom, since when, by what numbers, what it is not."""

import argparse
import asyncio
import shutil
import sys

from console.cli.cost_window import window_of
from console.cli.describe import UNCUT_CELLS
from console.cli.names import find_gpu, find_instance, find_service
from console.cli.output import Exit, Format, print_json
from console.cli.session import Reached, hear_events, inventory_of, reached
from console.explaining import explained, node_of
from console.render.verdict import verdict_item, verdict_lines
from console.store import Key, Kind
from profiles.text.clean import clean


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options, window_of(options.since)))


async def _run(options: argparse.Namespace, last_s: float) -> Exit:
    async with reached(inventory_of(options)) as found:
        key = _key(found, options.kind, options.name)
        await hear_events(found)
        verdict = await explained(found.fleet, found.store, key, last_s)
        view = found.store.nodes[node_of(found.store, key, verdict)]
        if Format(options.output) is Format.JSON:
            print_json("explain", [verdict_item(verdict, view.name, view.clock_skew_s)])
        else:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNCUT_CELLS
            for line in verdict_lines(verdict, width, view.clock_skew_s, found.store.wall()):
                print(clean("".join(text for text, _ in line)).rstrip())
    return Exit.DONE


def _key(found: Reached, kind: str, name: str) -> Key:
    if kind == Kind.GPU:
        return Key(Kind.GPU, *find_gpu(found, name))
    if kind == Kind.SERVICE:
        return Key(Kind.SERVICE, "", find_service(found, name))
    return Key(Kind.INSTANCE, *find_instance(found, name))
