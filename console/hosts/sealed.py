"""A sealed login: it reaches the agent's socket and nothing else. sshd's settings for it, and a test of every door.

`PermitOpen [PATH]:*` limits Unix sockets to exactly one path. OpenSSH does not document that (seen in 9.2p1, read in
10.5's source), so it is tried out: another spelling of the same path must be refused.
"""

import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import asyncssh

_SNIPPET = """\
Match Group {group}
    MaxSessions 0
    AllowTcpForwarding local
    AllowStreamLocalForwarding local
    PermitOpen [{socket}]:*
    PermitListen none
    PermitTTY no
    AllowAgentForwarding no
    X11Forwarding no
    PermitTunnel no
"""
SESSION_LIMIT_S = 5.0
NO_DISPLAY = "localhost:63"
PROHIBITED = 1
"""RFC 4254 §5.1: sshd's own word for a TCP target that this login may not reach, whether or not one listens there."""


class Door(NamedTuple):
    name: str
    is_open: bool
    may_be: bool = False

    @property
    def is_right(self) -> bool:
        return self.is_open == self.may_be


def snippet(group: str, socket: str) -> str:
    """For sshd_config, behind everything else, or for a file of sshd_config.d."""
    return _SNIPPET.format(group=group, socket=socket)


async def doors(login: asyncssh.SSHClientConnection, socket: str) -> list[Door]:
    """Try each; what is open stays open as long as `login` does. Raises OSError, asyncssh.Error.

    The one that must open comes last: a connection that broke on the way would look like doors that are shut.
    """
    path = PurePosixPath(socket)
    own_listener = f"/tmp/.gpuyard.{secrets.token_hex(6)}"
    tried: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("another spelling of its path", lambda: login.open_unix_connection(f"{path.parent}/./{path.name}")),
        ("a TCP port", lambda: login.open_connection("127.0.0.1", 22)),
        ("a command", lambda: login.create_process("true")),
        ("a shell", lambda: login.create_process()),
        ("a terminal", lambda: login.create_process(term_type="vt100")),
        ("file transfer", lambda: login.create_process(subsystem="sftp")),
        ("a port that listens", lambda: login.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)),
        ("a socket that listens", lambda: login.forward_remote_path(own_listener, own_listener)),
        ("a tunnel", lambda: login.open_tun()),
        ("X11 forwarding", lambda: login.create_process("true", x11_forwarding=True, x11_display=NO_DISPLAY)),
        ("agent forwarding", lambda: _forwarded_agent(login)),
    ]
    shut = [Door(name, await _opens(open_it)) for name, open_it in tried]
    return [Door("the agent's socket", await _opens(lambda: login.open_unix_connection(socket)), may_be=True), *shut]


async def _forwarded_agent(login: asyncssh.SSHClientConnection) -> None:
    """Offers an agent that is none. asyncssh 2.24.1 offers one to sessions only where the whole login does."""
    login._agent_forward_path = os.devnull
    try:
        done = await login.run('test -S "$SSH_AUTH_SOCK"', timeout=SESSION_LIMIT_S)
    except asyncssh.TimeoutError:  # whatever ran instead, it was not that
        raise asyncssh.ChannelOpenError(PROHIBITED, "no agent was seen") from None
    finally:
        login._agent_forward_path = None
    if done.exit_status != 0:
        raise asyncssh.ChannelOpenError(PROHIBITED, "no agent was forwarded")


async def _opens(open_it: Callable[[], Awaitable[object]]) -> bool:
    try:
        await open_it()
    except asyncssh.ChannelOpenError as error:
        return error.code != PROHIBITED and "onnect" in error.reason and "refused" in error.reason
    except asyncssh.ChannelListenError:
        return False
    return True
