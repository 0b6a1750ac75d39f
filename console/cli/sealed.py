"""`gpuyard node sealed`: sshd's settings for logins that reach the agent alone, printed, written, tried."""

import argparse
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.cli.applying import check_may_change
from console.cli.output import CommandFailed, Exit, Format, ask, is_interactive, print_json, say, say_reason
from console.cli.session import inventory_of
from console.inventory import Node
from console.remote.errors import Lost, RemoteError
from profiles.observed.status import Reason

if TYPE_CHECKING:
    from console.hosts.sealed import Door
    from console.hosts.sealing import Seal

SOCKET = "/run/gpuyard/agent.sock"


def run(options: argparse.Namespace) -> int:
    node = inventory_of(options).nodes.get(options.node)
    if node is None:
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {options.node}", "see `gpuyard nodes`"))
    if node.local and (options.write or options.check):
        hint = "name a node that the inventory reaches by ssh, be it this machine"
        raise CommandFailed(Exit.FAILED, Reason("local", f"{options.node} is reached without ssh", hint))
    if options.write:
        check_may_change(options)
        wanted = wanted_seal(options)
        _confirm(options)
        return asyncio.run(_write(node, wanted, options))
    return asyncio.run(_check(node, options)) if options.check else _print(node, options.group)


def wanted_seal(options: argparse.Namespace) -> "Seal":
    """Raises CommandFailed."""
    from console.hosts.sealing import Seal

    if options.account is None:
        text = f"which account of {options.group} shall the settings be tried as?"
        raise CommandFailed(Exit.USAGE, Reason("usage", text, "--as ACCOUNT; sshd must take one of your keys for it"))
    return Seal(options.account, options.group)


def _print(node: Node, group: str) -> Exit:
    from console.hosts.sealed import snippet

    print(snippet(group, node.socket or SOCKET), end="")
    say("put it at the end of sshd_config, see `sshd -t`, reload sshd; then log in as one of the group with --check")
    return Exit.DONE


async def _check(node: Node, options: argparse.Namespace) -> Exit:
    from console.hosts.sealing import tried
    from console.remote.ssh import Dialler

    dialler = Dialler()
    try:
        as_account = replace(node, user=options.account) if options.account else node
        found = await tried(as_account, node.socket or SOCKET, dialler)
    except RemoteError as error:
        say_reason(error.reason, options.node)
        return Exit.UNREACHABLE if isinstance(error, Lost) else Exit.FAILED
    finally:
        await dialler.close()
    _show(found, Format(options.output))
    return Exit.DONE if all(one.is_right for one in found) else Exit.FAILED


async def _write(node: Node, wanted: "Seal", options: argparse.Namespace) -> Exit:
    from console.hosts.errors import HostError
    from console.hosts.sealing import NO_RIGHTS, seal
    from console.remote.ssh import Dialler

    dialler = Dialler()
    try:
        found = await seal(node, wanted, dialler)
    except (HostError, RemoteError) as error:
        say_reason(error.reason, options.node)
        if error.reason.code == NO_RIGHTS:
            _print(node, wanted.group)
        return Exit.UNREACHABLE if isinstance(error, Lost) else Exit.FAILED
    finally:
        await dialler.close()
    _show(found.doors, Format(options.output))
    if found.why:
        say_reason(found.why, options.node)
        return Exit.FAILED
    say(f"{options.node}: {'written to' if found.changed else 'nothing to do, they are in'} {found.file}")
    return Exit.DONE


def _confirm(options: argparse.Namespace) -> None:
    """Raises CommandFailed."""
    if options.yes:
        return
    if not is_interactive():
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody can be asked", "give --yes"))
    if not ask(f"Let logins of {options.group} on {options.node} reach the agent's socket and nothing else?"):
        raise CommandFailed(Exit.FAILED, Reason("declined", "nothing was written"))


def _show(found: "Sequence[Door]", output: Format) -> None:
    if output is Format.JSON:
        print_json("doors", [{"door": one.name, "open": one.is_open, "right": one.is_right} for one in found])
        return
    for one in found:
        print(f"{'ok   ' if one.is_right else 'WRONG'}  {one.name}: {'open' if one.is_open else 'refused'}")
