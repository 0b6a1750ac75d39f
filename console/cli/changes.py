"""`changes [--scope KIND NAME] [--since 30m]`: the time line of the changes screen, as text or JSON."""

import argparse
import asyncio

import msgspec

from console.changes import known, scope_of, traffic_steps
from console.cli.describe import PAGES
from console.cli.output import CommandFailed, Exit, Format, print_json
from console.cli.parser import CHANGING
from console.cli.session import hear_events, inventory_of, reached
from console.cli.table import print_table
from console.render.changes import CHANGE_COLUMNS, change_cells
from profiles.observed.status import Reason
from profiles.text.units import duration_s


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    since_s, kind, output = _since_s(options.since), _kind(options.scope), Format(options.output)
    async with reached(inventory_of(options)) as found:
        store = found.store
        key = PAGES[kind].find(found, options.scope[1]) if kind else None
        await hear_events(found)
        scope = scope_of(store, key)
        steps = await traffic_steps(found.fleet, store, scope)
        since = 0.0 if since_s is None else store.wall() - since_s
        changes = known(store, scope, steps, since)
        if output is Format.JSON:
            print_json("changes", [msgspec.to_builtins(change) for change in changes])
        elif output is Format.NAME:
            for change in changes:
                print(f"{change.node}:{change.kind}")
        else:
            rows = [change_cells(store, change, at) for at, change in enumerate(changes)]
            print_table(CHANGE_COLUMNS, rows, wide=output is Format.WIDE)
        return found.say_lost()


def _kind(scope: list[str] | None) -> str:
    """Raises CommandFailed."""
    if scope and scope[0] not in CHANGING:
        hint = f"one of {', '.join(CHANGING)}, then its name; left out, all"
        raise CommandFailed(Exit.USAGE, Reason("no_scope", f"`{scope[0]}` has no time line", hint))
    return scope[0] if scope else ""


def _since_s(text: str | None) -> float | None:
    """Raises CommandFailed."""
    found = duration_s(text) if text is not None else None
    if text is not None and found is None:
        hint = "a number and s, m, h or d: `30m`"
        raise CommandFailed(Exit.USAGE, Reason("bad_duration", f"`{text}` is no duration", hint))
    return found
