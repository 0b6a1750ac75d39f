"""`gpuyard processes`: who is on the GPUs, and what of ours nobody will end. `gpuyard reap`: the end of those."""

import argparse
import asyncio
import secrets
from collections.abc import Iterable, Sequence

import msgspec

from agents.wire import ListProcesses, Processes, Reap, Reaped
from console.cli.applying import check_may_change
from console.cli.names import find_node
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.processes import PROCESS_COLUMNS, process_cells
from console.render.text import gib, one_line
from profiles.processes import NodeProcess, ProcessKind
from profiles.status import Reason

REAP_DEADLINE_S = 30.0

Row = tuple[str, NodeProcess]
"""A node and a process of it."""


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_list(options))


def reap(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_reap(options))


async def _list(options: argparse.Namespace) -> int:
    given: str | None = options.node
    async with reached(inventory_of(options)) as found:
        nodes = [find_node(found, given)] if given else _counted(found)
        rows, code = await _ask(found, nodes)
        kept = [(node, one) for node, one in rows if one.kind is ProcessKind.ORPHAN or not options.orphans]
        _print(kept, Format(options.output))
        return max(code, found.say_lost([] if given else None))


async def _reap(options: argparse.Namespace) -> int:
    targets = dict.fromkeys(_target(word) for word in options.targets)
    async with reached(inventory_of(options)) as found:
        for node, _ in targets:
            find_node(found, node)
        rows, code = await _ask(found, sorted({node for node, _ in targets}))
        if code is not Exit.DONE:
            return code
        there = {(node, one.pid): one for node, one in rows}
        chosen = [(node, _orphan(node, pid, there.get((node, pid)))) for node, pid in targets]
        _confirm(chosen, sure=options.yes)
        return outcome([await _end(found, node, one) for node, one in chosen])


async def _ask(found: Reached, nodes: Sequence[str]) -> tuple[list[Row], Exit]:
    """Of each node, its orphans first; and the worst that was said instead."""
    answers = await asyncio.gather(*(_of_node(found, node) for node in nodes))
    rows = [row for several, _ in answers for row in several]
    return rows, max((code for _, code in answers), default=Exit.DONE)


async def _of_node(found: Reached, node: str) -> tuple[list[Row], Exit]:
    try:
        answer = await found.fleet.request(node, ListProcesses(), Processes)
    except RequestFailed as failed:
        return [], _say(failed, node)
    return [(node, one) for one in answer.processes], Exit.DONE


async def _end(found: Reached, node: str, one: NodeProcess) -> Exit:
    ask_ = Reap(pid=one.pid, start_ticks=one.start_ticks or 0, key=secrets.token_hex(16))
    try:
        await found.fleet.request(node, ask_, Reaped, deadline_s=REAP_DEADLINE_S)
    except RequestFailed as failed:
        return _say(failed, f"{node}/{one.pid}")
    say(f"{node}/{one.pid} is gone")
    return Exit.DONE


def _say(failed: RequestFailed, about: str) -> Exit:
    say_reason(failed.reason, about)
    return Exit.UNREACHABLE if isinstance(failed, NodeUnreachable) else Exit.FAILED


def _print(rows: Sequence[Row], output: Format) -> None:
    if output is Format.JSON:
        print_json("processes", [{"node": node, **msgspec.to_builtins(one)} for node, one in rows])
    elif output is Format.NAME:
        print("\n".join(f"{node}/{one.pid}" for node, one in rows))
    else:
        print_table(PROCESS_COLUMNS, [process_cells(node, one) for node, one in rows], wide=output is Format.WIDE)


def _counted(found: Reached) -> list[str]:
    return [view.name for view in found.store.nodes.values() if view.counted]


def _target(word: str) -> tuple[str, int]:
    """`fra-1/4711`. Raises CommandFailed."""
    node, _, pid = word.rpartition("/")
    if not node or not pid.isdigit():
        hint = "write NODE/PID, as `gpuyard processes --orphans` lists them"
        raise CommandFailed(Exit.USAGE, Reason("usage", f"{word} names no process", hint))
    return node, int(pid)


def _orphan(node: str, pid: int, one: NodeProcess | None) -> NodeProcess:
    """Raises CommandFailed. The node decides it once more; this is for the words."""
    if one is None:
        hint = "see `gpuyard processes --orphans`"
        raise CommandFailed(Exit.FAILED, Reason("not_found", f"{node} lists no process {pid}", hint))
    if one.kind is not ProcessKind.ORPHAN:
        whose = f"belongs to {one.instance}, which runs" if one.kind is ProcessKind.OURS else "is none of gpuyard's"
        hint = f"stop {one.instance} instead" if one.kind is ProcessKind.OURS else "ask its owner"
        raise CommandFailed(Exit.FAILED, Reason("invalid", f"{node}/{pid} {whose}", hint))
    return one


def _confirm(chosen: Iterable[Row], *, sure: bool) -> None:
    """What goes, and what comes back. Raises CommandFailed."""
    lines = [blast(node, one) for node, one in chosen]
    for line in lines:
        say(line)
    if sure:
        return
    if not is_interactive():
        hint = "read the list above, then add --yes"
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody is here to say yes", hint))
    if not ask("End it?" if len(lines) == 1 else f"End these {len(lines)}?"):
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nothing was ended"))


def blast(node: str, one: NodeProcess) -> str:
    """`fra-1/4711 python of chat/0 (serve): 70.0 GiB on GPU 0,1 come back`."""
    who = f"{node}/{one.pid} {one.name} of {one.instance} ({one.user})"
    if not one.gpus:
        return one_line(f"{who}: holds no GPU")
    size = "an unknown amount" if one.memory_mib is None else f"{gib(one.memory_mib)} GiB"
    return one_line(f"{who}: {size} on GPU {','.join(map(str, one.gpus))} comes back")
