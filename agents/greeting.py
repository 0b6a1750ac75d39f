"""How a connection of the daemon begins.

preamble ──► [role line] preamble back ──► Hello both ways ──► agreed
"""

import asyncio
import secrets
from dataclasses import dataclass

from agents import wire
from agents.channel import Channel, Closed, over
from agents.peer import lowered
from profiles.status import Role

HELLO_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Greeted:
    """What was agreed; `frames` came right behind the Hello."""

    hello: wire.Hello
    role: Role
    frames: list[wire.AnyFrame]


async def greet(channel: Channel, role: Role, own: wire.Hello) -> Greeted:
    """`role` is the most that the peer may have. Raises Closed, OSError."""
    nonce = secrets.token_hex(8)
    channel.write_preamble(nonce)
    try:
        async with asyncio.timeout(HELLO_DEADLINE_S):
            role = await _read_first_lines(channel, nonce, role)
            await channel.send(_with_role(own, role))
            frames: list[wire.AnyFrame] = []
            while not frames:
                frames = await channel.read()
    except TimeoutError:
        raise over("timeout", f"no Hello within {HELLO_DEADLINE_S:g} s", "connect with gpuyard") from None
    hello = frames.pop(0)
    if not isinstance(hello, wire.Hello):
        raise over("invalid", "the first frame must be a Hello")
    if hello.protocol_max < own.protocol_min or hello.protocol_min > own.protocol_max:
        raise _no_common_protocol(own, hello)
    return Greeted(hello, role, frames)


async def _read_first_lines(channel: Channel, nonce: str, role: Role) -> Role:
    """The role that is left after the bridge's role line, if there is one. Our preamble must follow."""
    while (line := await channel.read_line()).startswith(wire.ROLE_LINE):
        wanted = line.removeprefix(wire.ROLE_LINE).decode("utf-8", "replace").strip()
        try:
            role = lowered(role, wanted)
        except ValueError:
            raise over("invalid", f"there is no role {wanted[:40]!r}", f"roles: {', '.join(Role)}") from None
    channel.decode(line)
    if channel.nonce != nonce:
        raise over("invalid", "the first line must be the agent's own", "connect with gpuyard")
    return role


def _with_role(hello: wire.Hello, role: Role) -> wire.Hello:
    return wire.Hello(
        protocol_min=hello.protocol_min,
        protocol_max=hello.protocol_max,
        version=hello.version,
        role=role,
        node=hello.node,
        socket=hello.socket,
    )


def _no_common_protocol(own: wire.Hello, hello: wire.Hello) -> Closed:
    theirs = hello.version or "of unknown version"
    return over(
        "version",
        f"agent {own.version} speaks protocols {own.protocol_min}–{own.protocol_max}, "
        f"console {theirs} {hello.protocol_min}–{hello.protocol_max}",
        f"bring agent {own.version} and console {theirs} to one version",
    )
