"""How a connection of the daemon begins.

preamble ──► [bridge line] preamble back ──► Hello both ways ──► agreed
"""

import asyncio
import secrets
from dataclasses import dataclass

import msgspec

from agents import wire
from agents.access.peer import DIRECT, Introduction, introduced, lesser
from agents.server.channel import Channel, over
from profiles.observed.status import Role


@dataclass(frozen=True, slots=True)
class Greeted:
    """What was agreed; `frames` came right behind the Hello."""

    hello: wire.Hello
    protocol: int
    role: Role
    introduction: Introduction
    frames: list[wire.AnyFrame]


async def greet(channel: Channel, role: Role, own: wire.Hello, limit_s: float) -> Greeted:
    """`role` is the most that the peer may have. Raises Closed, OSError."""
    nonce = secrets.token_hex(8)
    channel.write_preamble(nonce)
    try:
        async with asyncio.timeout(limit_s):
            introduction = await _read_first_lines(channel, nonce)
            role = lesser(role, introduction.role)
            await channel.send(msgspec.structs.replace(own, role=role))
            frames: list[wire.AnyFrame] = []
            while not frames:
                frames = await channel.read()
    except TimeoutError:
        raise over("timeout", f"no Hello within {limit_s:g} s", "connect with gpuyard") from None
    hello = frames.pop(0)
    if not isinstance(hello, wire.Hello):
        raise over("invalid", "the first frame must be a Hello")
    if (protocol := wire.common_protocol(own, hello)) is None:
        raise over("version", *wire.no_common_protocol(own, hello))
    return Greeted(hello, protocol, role, introduction, frames)


async def _read_first_lines(channel: Channel, nonce: str) -> Introduction:
    """How the connection came in. Only the first line can say it: behind a bridge, the rest is the console's."""
    introduction = DIRECT
    line = await channel.read_line()
    if line.startswith(wire.BRIDGE_LINE):
        try:
            introduction = introduced(line)
        except ValueError as error:
            raise over("invalid", str(error), "bring gpuyard-agent on this host to one version") from None
        line = await channel.read_line()
    channel.decode(line)
    if channel.nonce != nonce:
        raise over("invalid", "the first line must be the agent's own", "connect with gpuyard")
    return introduction
