"""`gpuyard node sealed`: sshd's settings for a login that reaches the agent alone, and whether it is one."""

import argparse
import asyncio

from console.cli.output import CommandFailed, Exit, Format, print_json, say, say_reason
from console.cli.session import inventory_of
from console.inventory import Node
from console.remote.errors import Lost, RemoteError
from profiles.status import Reason

SOCKET = "/run/gpuyard/agent.sock"


def run(options: argparse.Namespace) -> int:
    inventory = inventory_of(options)
    node = inventory.nodes.get(options.node)
    if node is None:
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {options.node}", "see `gpuyard nodes`"))
    return asyncio.run(_check(node, options)) if options.check else _print(node, options.group)


def _print(node: Node, group: str) -> Exit:
    from console.hosts.sealed import snippet

    print(snippet(group, node.socket or SOCKET), end="")
    say("put it at the end of sshd_config, see `sshd -t`, reload sshd; then log in as one of the group with --check")
    return Exit.DONE


async def _check(node: Node, options: argparse.Namespace) -> Exit:
    from console.hosts.sealed import doors
    from console.remote.ssh import Dialler

    dialler = Dialler()
    try:
        login = await dialler.login(node)
        found = await doors(login.raw, node.socket or SOCKET)
        await login.close()
    except RemoteError as error:
        say_reason(error.reason, options.node)
        return Exit.UNREACHABLE if isinstance(error, Lost) else Exit.FAILED
    finally:
        await dialler.close()
    if Format(options.output) is Format.JSON:
        print_json("doors", [{"door": one.name, "open": one.is_open, "right": one.is_right} for one in found])
    else:
        for one in found:
            print(f"{'ok   ' if one.is_right else 'WRONG'}  {one.name}: {'open' if one.is_open else 'refused'}")
    return Exit.DONE if all(one.is_right for one in found) else Exit.FAILED
