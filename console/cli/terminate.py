"""`gpuyard terminate NODE/PID`: end processes that hold GPUs, or that an instance left behind; an admin's."""

import argparse
import asyncio
from collections.abc import Iterable

from console import processes
from console.cli.applying import check_may_change
from console.cli.names import find_node, find_process, process_named
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, ask, is_interactive, say
from console.cli.processes import Row, say_failed
from console.cli.session import Reached, inventory_of, reached
from console.remote.errors import RequestFailed
from console.render.blast import blast
from console.store import Store
from profiles.observed.processes import NodeProcess
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    return asyncio.run(_terminate(options))


async def _terminate(options: argparse.Namespace) -> int:
    words = list(dict.fromkeys(options.targets))
    async with reached(inventory_of(options)) as found:
        nodes = dict.fromkeys(find_node(found, process_named(word)[0]) for word in words)
        await asyncio.gather(*(processes.list_into(found.fleet, found.store, node) for node in nodes))
        targets = [find_process(found, word) for word in words]
        chosen = [(node, _known(found.store, node, name)) for node, name in targets]
        _confirm(found.store, chosen, sure=options.yes)
        return outcome([await _end(found, node, one) for node, one in chosen])


async def _end(found: Reached, node: str, one: NodeProcess) -> Exit:
    try:
        await processes.terminate(found.fleet, node, one)
    except RequestFailed as failed:
        return say_failed(failed, f"{node}/{one.pid}")
    say(f"{node}/{one.pid} is gone")
    return Exit.DONE


def _known(store: Store, node: str, name: str) -> NodeProcess:
    """Raises CommandFailed. The node decides once more who may be ended; this is for the words."""
    one = store.nodes[node].processes[name]
    if one.start_ticks is None:
        text = f"{node}/{one.pid} is in another pid namespace: nobody here knows who it is"
        raise CommandFailed(Exit.FAILED, Reason("invalid", text, "end it from the host, or in its container"))
    return one


def _confirm(store: Store, chosen: Iterable[Row], *, sure: bool) -> None:
    """What goes, and what comes back. Raises CommandFailed."""
    lines = [blast(store, node, one) for node, one in chosen]
    for line in lines:
        say(line)
    if sure:
        return
    if not is_interactive():
        hint = "read the list above, then add --yes"
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody is here to say yes", hint))
    if not ask("Terminate it?" if len(lines) == 1 else f"Terminate these {len(lines)}?"):
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nothing was terminated"))
