"""`gpuyard ssh NODE [-- COMMAND]`: the user's own ssh with what the inventory knows, and a note of it on the node."""

import argparse
import asyncio

from console import shell
from console.cli.applying import check_may_change
from console.cli.output import CommandFailed, Exit, say, say_reason
from console.cli.session import NO_ANSWER, inventory_of, reached
from console.inventory import Inventory, Node
from console.remote.errors import RequestFailed
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    """The exit code of the command; 3 where ssh itself failed."""
    check_may_change(options)
    inventory = inventory_of(options)
    name: str = options.node
    if name not in inventory.nodes:
        known = ", ".join(sorted(inventory.nodes))
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {name}", f"nodes: {known}"))
    node = inventory.nodes[name]
    ended = asyncio.run(shell.run(shell.words(node, options.command)))
    if ended.problem:
        raise CommandFailed(Exit.FAILED, Reason("no_program", ended.problem, "install OpenSSH's client"))
    failed = ended.status == shell.SSH_FAILED and not node.local
    asyncio.run(_note(name, node, ended))
    return Exit.UNREACHABLE if failed else ended.status


async def _note(name: str, node: Node, ended: shell.Ended) -> None:
    """What cannot be noted is said, and changes nothing about the exit code."""
    async with reached(Inventory(nodes={name: node})) as found:
        view = found.store.nodes[name]
        if not view.counted:
            say(f"{name} keeps no note of this shell")
            say_reason(view.why or NO_ANSWER, name)
            return
        try:
            await shell.note(found.fleet, name, ended, limit_s=0.0)
        except RequestFailed as failed:
            say_reason(failed.reason, f"{name} keeps no note of this shell")
