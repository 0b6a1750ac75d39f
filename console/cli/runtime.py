"""`gpuyard runtime list / check / add / remove`: where engines run from, whether it is whole, new ones, old ones."""

import argparse
import asyncio
import contextlib
import secrets
from collections.abc import Sequence

import msgspec

from agents import wire
from console.cli.applying import check_may_change
from console.cli.names import find_node
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.processes import say_failed
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import RequestFailed
from console.render.runtimes import RUNTIME_COLUMNS, runtime_cells
from profiles.observed.runtime import RuntimeReading
from profiles.observed.status import Reason

LIST_LIMIT_S = 90.0
"""Beyond what a program may take that prints its version."""
CHECK_LIMIT_S = 400.0
READ_WAIT_S = 10.0
REMOVE_LIMIT_S = 300.0
"""Tens of thousands of files, perhaps on a network disk."""

Row = tuple[str, RuntimeReading]
"""A node and a runtime of it."""
Answered = tuple[list[Row], Exit]


def listed(options: argparse.Namespace) -> int:
    return asyncio.run(_show(options, wire.ListRuntimes(), ()))


def check(options: argparse.Namespace) -> int:
    return asyncio.run(_show(options, wire.CheckRuntimes(names=tuple(options.names)), options.names))


def add(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_add(options))


def remove(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_remove(options))


async def _show(options: argparse.Namespace, what: wire.RuntimeAsk, names: Sequence[str]) -> int:
    given: str | None = options.node
    limit_s = CHECK_LIMIT_S if isinstance(what, wire.CheckRuntimes) else LIST_LIMIT_S
    async with reached(inventory_of(options)) as found:
        nodes = [find_node(found, given)] if given else [one.name for one in found.store.nodes.values() if one.counted]
        answers = await asyncio.gather(*(_of_node(found, node, what, limit_s) for node in nodes))
        rows = [row for several, _ in answers for row in several]
        _print(rows, Format(options.output))
        worst = max((code for _, code in answers), default=Exit.DONE)
        lost = found.say_lost([] if given else None)
    if unknown := [name for name in names if name not in {one.name for _, one in rows}]:
        text = f"no node that answered has a runtime {', '.join(unknown)}"
        raise CommandFailed(Exit.FAILED, Reason("not_found", text, "see `gpuyard runtime list`"))
    broken = isinstance(what, wire.CheckRuntimes) and any(one.problem for _, one in rows)
    return max(worst, lost, Exit.FAILED if broken else Exit.DONE)


async def _of_node(found: Reached, node: str, what: wire.RuntimeAsk, limit_s: float) -> Answered:
    try:
        answer = await found.fleet.request(node, what, wire.Runtimes, deadline_s=limit_s)
    except RequestFailed as failed:
        return [], say_failed(failed, node)
    if answer.problem:
        say_reason(answer.problem, node)
    return [(node, one) for one in answer.runtimes], Exit.FAILED if answer.problem else Exit.DONE


def _print(rows: Sequence[Row], output: Format) -> None:
    if output is Format.JSON:
        print_json("runtimes", [{"node": node, **msgspec.to_builtins(one)} for node, one in rows])
    elif output is Format.NAME:
        print("\n".join(f"{node}:{one.name}" for node, one in rows))
    else:
        print_table(RUNTIME_COLUMNS, [runtime_cells(node, one) for node, one in rows], wide=output is Format.WIDE)


async def _add(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node = find_node(found, options.node)
        source = options.wheels or "the index that it knows"
        _confirm(options, f"{node}: make an environment of its own for {options.requirement}, from {source}?", "made")
        wanted = wire.AddRuntime(
            requirement=options.requirement, wheels=options.wheels, key=secrets.token_hex(16)
        )  # fmt: skip
        try:
            name = (await found.fleet.request(node, wanted, wire.RuntimeMaking)).name
            report = await _watch(found, node, name)
        except RequestFailed as failed:
            return say_failed(failed, node)
    if report.problem:
        raise CommandFailed(Exit.FAILED, msgspec.structs.replace(report.problem, text=f"{node}: {report.problem.text}"))
    say(f"{node} has the runtime {name}")
    return Exit.DONE


async def _remove(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node = find_node(found, options.node)
        _confirm(options, f"{node}: remove the runtime {options.name} and all of its files?", "removed")
        wanted = wire.RemoveRuntime(name=options.name, key=secrets.token_hex(16))
        try:
            await found.fleet.request(node, wanted, wire.RuntimeRemoved, deadline_s=REMOVE_LIMIT_S)
        except RequestFailed as failed:
            return say_failed(failed, node)
    say(f"{node} has no runtime {options.name} any more")
    return Exit.DONE


def _confirm(options: argparse.Namespace, question: str, done: str) -> None:
    """Raises CommandFailed."""
    if not options.yes and not (is_interactive() and ask(question)):
        hint = "answer y at a terminal, or give --yes"
        raise CommandFailed(Exit.FAILED, Reason("not_confirmed", f"nothing was {done}", hint))


async def _watch(found: Reached, node: str, name: str) -> wire.MakingReport:
    """Until it is over; interrupted here, it is ended there and leaves nothing. Raises RequestFailed."""
    known, step = 0, ""
    try:
        while True:
            read = wire.ReadMaking(name=name, known=known, wait_s=READ_WAIT_S)
            report = await found.fleet.request(node, read, wire.MakingReport, deadline_s=READ_WAIT_S + 10)
            known = report.known
            if report.step != step:
                step = report.step
                say(f"{node}: {step}")
            for line in report.lines:
                say(f"  {line}")
            if report.over:
                return report
    except asyncio.CancelledError:
        with contextlib.suppress(RequestFailed):
            stop = wire.StopMaking(name=name, key=secrets.token_hex(16))
            await found.fleet.request(node, stop, wire.MakingStopped)
        raise
