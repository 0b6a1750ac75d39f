"""Connections by asyncssh; only this file and its neighbours know it. Imported once links are wanted, after the paint.

The user's own ssh config decides what the inventory leaves out: HostName, User, Port, IdentityFile, ProxyJump.
Host keys are always checked. For a Unix socket the connecting process on the host is the login's own sshd, so
the agent sees who it is without any code of ours in between; where forwarding is off, the bridge is run.
"""

import asyncio
import shlex
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncssh

from console.inventory import Node
from console.remote import certificates, hostkeys
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost
from console.remote.hostkeys import Rotation
from console.remote.sshstream import WINDOW_BYTES, BridgeStream, SocketStream
from console.remote.sshtrust import Guard, explain
from console.remote.stream import Connection, Executed, Stream
from profiles.observed.status import Reason

LOGINS_AT_MOST = 8
CONNECT_TIMEOUT_S = 10.0
LOGIN_TIMEOUT_S = 20.0
KEEPALIVE_S = 5
KEEPALIVES_MISSED = 2
UNACKNOWLEDGED_S = 15
JUMPS_AT_MOST = 8
SYSTEM_SOCKET = "/run/gpuyard/agent.sock"
BRIDGE = "gpuyard-agent"
SEARCH = """sh -c 'PATH=$PATH:$HOME/.local/bin:/opt/gpuyard/current/bin; export PATH; exec "$@"' gpuyard"""
"""A bridge is found on the login's PATH, else where `node install` puts it. Every login shell understands this."""


class Dialler:
    """All ssh connections of one fleet: at most LOGINS_AT_MOST logins in flight, one connection a jump host.

    `told` hears the address of a node whose host proves new keys.
    """

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        self._told = told
        self._logins = asyncio.Semaphore(LOGINS_AT_MOST)
        self._jumps: dict[str, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._guards: dict[str, Guard] = {}

    async def dial(self, node: Node, socket: str) -> Connection:
        """Raises Lost, LinkRefused or its child HostKeyUnknown."""
        return await self.login(node, socket)

    async def login(self, node: Node, socket: str = "") -> "SshConnection":
        """The same, for who wants to run commands as well."""
        wanted: dict[str, object] = {"port": node.port, "username": node.user}
        if node.identity_file:
            wanted |= {"client_keys": [_identity(node.identity_file)], "agent_path": None}
        guard = Guard(node.address, node.known_hosts, self._told)
        wanted = {key: value for key, value in wanted.items() if value}
        connection = await self._connect(guard, wanted, 0)
        return SshConnection(connection, node, socket)

    def rotations(self) -> list[Rotation]:
        """What the hosts reached so far have proved of new keys."""
        return [guard.rotation for guard in self._guards.values() if guard.rotation]

    def rotation(self, address: str) -> Rotation | None:
        """The same of one host."""
        return self._guards[address].rotation if address in self._guards else None

    def recorded(self, address: str) -> None:
        """A person has seen to what it proved."""
        self._guards[address].rotation = None

    async def close(self) -> None:
        """Close the connections to the jump hosts."""
        for jump in self._jumps.values():
            jump.cancel()
            if jump.done() and not jump.cancelled() and not jump.exception():
                jump.result().abort()
        await asyncio.gather(*self._jumps.values(), return_exceptions=True)

    async def _connect(
        self, guard: Guard, wanted: dict[str, object], depth: int, via: str | None = None
    ) -> asyncssh.SSHClientConnection:
        """`via` names the jump hosts; None leaves them to the ssh config."""
        host = guard.host
        try:
            # asyncssh reads the ssh config by itself only where it is asked to by an empty tuple (2.24.1).
            options = await asyncssh.SSHClientConnectionOptions.construct(host=host, config=(), **wanted)
            guard.read(options.known_hosts)
            if why := certificates.not_valid(options.client_keys or ()):
                raise LinkRefused(why)
            tunnel = await self._tunnel(host, options.tunnel if via is None else via, depth)
            async with self._logins:
                connection = await asyncssh.connect(
                    host,
                    **wanted,
                    tunnel=tunnel or (),
                    known_hosts=guard.known,
                    client_factory=lambda: guard,
                    server_host_keys_handler=partial(_heard, guard, options.host, options.port),
                    agent_forwarding=False,
                    keepalive_interval=KEEPALIVE_S,
                    keepalive_count_max=KEEPALIVES_MISSED,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    login_timeout=LOGIN_TIMEOUT_S,
                )
            _limit_silence(connection)
            self._guards[host] = guard
            return connection
        except asyncssh.PermissionDenied as error:
            why = await certificates.not_valid_in_agent(options.agent_path)
            raise LinkRefused(why) if why else explain(error, guard) from None
        except (OSError, asyncssh.Error, ValueError) as error:
            raise explain(error, guard) from None

    async def _tunnel(self, host: str, spec: object, depth: int) -> asyncssh.SSHClientConnection | None:
        """The shared connection to the last jump host of `spec`, which is reached through those before it."""
        if not isinstance(spec, str) or not spec:
            return None
        before, _, last = spec.rpartition(",")
        login, _, place = last.rpartition("@")
        name, _, port = place.partition(":")
        if name == host:  # `Host *` with a ProxyJump matches the jump host as well
            return None
        if depth >= JUMPS_AT_MOST:
            hint = "see that no ProxyJump of the ssh config leads back to itself"
            raise LinkRefused(Reason("ssh_config", f"more than {JUMPS_AT_MOST} jump hosts in a row", hint))
        known = self._jumps.get(spec)
        if known is None or (known.done() and (known.cancelled() or known.exception() or known.result().is_closed())):
            wanted: dict[str, object] = {"username": login, "port": int(port or 0)}
            wanted = {key: value for key, value in wanted.items() if value}
            jump = self._connect(Guard(name), wanted, depth + 1, via=before or None)
            known = self._jumps[spec] = asyncio.create_task(jump)
        try:
            return await asyncio.shield(known)
        except (Lost, LinkRefused) as error:
            why = Reason(error.reason.code, f"jump host {name}: {error.reason.text}", error.reason.hint)
            raise HostKeyUnknown(why, error.key) if isinstance(error, HostKeyUnknown) else type(error)(why) from None


class SshConnection:
    """One login. The first stream finds the way; later ones take the same."""

    def __init__(self, connection: asyncssh.SSHClientConnection, node: Node, socket: str) -> None:
        self._connection = connection
        self._node = node
        self._listened = bool(socket)
        self._sockets = list(dict.fromkeys(path for path in (node.socket, socket, SYSTEM_SOCKET) if path))

    @property
    def fingerprint(self) -> str | None:
        """Of the host's key; None where a certificate stood for it."""
        key = self._connection.get_server_host_key()
        return hostkeys.fingerprint(key.public_data) if key else None

    @property
    def raw(self) -> asyncssh.SSHClientConnection:
        """For who tries out what this login may do."""
        return self._connection

    async def open(self) -> Stream:
        for path in list(self._sockets):
            try:
                reader, writer = await self._connection.open_unix_connection(path, window=WINDOW_BYTES)
            except asyncssh.ChannelOpenError as error:
                await self._still_there(error)
                self._sockets.remove(path)
                continue
            except (OSError, asyncssh.Error) as error:
                raise Lost(Reason("lost", f"the link broke: {error}")) from None
            self._sockets = [path]
            return SocketStream(reader, writer)
        return await self._bridge()

    async def execute(self, command: str, feed: bytes = b"", sent: Callable[[int], None] | None = None) -> Executed:
        """Run `command` with `feed` as its stdin; `sent` is told how much of it has gone. Raises Lost, LinkRefused."""
        try:
            process = await self._connection.create_process(command, encoding=None, window=WINDOW_BYTES)
            feeding = asyncio.create_task(_feed(process.stdin, feed, sent))
            try:
                out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
                await process.wait_closed()
            finally:
                feeding.cancel()
                process.close()
        except asyncssh.ChannelOpenError as error:
            text, hint = f"this login may run no command: {error.reason}", "give a login with a shell (MaxSessions)"
            raise LinkRefused(Reason("no_session", text, hint)) from None
        except (OSError, asyncssh.Error) as error:
            raise Lost(Reason("lost", f"the link broke: {error}")) from None
        if process.exit_status is None and process.exit_signal is None:
            raise Lost(Reason("lost", "the link broke before the command was over"))
        return Executed(process.exit_status, out, err.decode("utf-8", "replace"))

    async def close(self) -> None:
        self._connection.close()
        try:
            async with asyncio.timeout(1.0):
                await self._connection.wait_closed()
        except TimeoutError:
            self._connection.abort()

    async def _still_there(self, error: asyncssh.ChannelOpenError) -> None:
        """Raises Lost where nobody refused the channel: the connection broke while it was opened."""
        await asyncio.sleep(0)  # asyncssh tells the channels of a broken connection before it marks it closed
        if self._connection.is_closed():
            raise Lost(Reason("lost", f"the link broke: {error.reason}")) from None

    async def _bridge(self) -> Stream:
        command = f"{SEARCH} {shlex.quote(self._node.agent or BRIDGE)} attach"
        if self._node.socket:
            command += f" --socket {shlex.quote(self._node.socket)}"
        try:
            process = await self._connection.create_process(command, encoding=None, window=WINDOW_BYTES)
        except asyncssh.ChannelOpenError as error:
            await self._still_there(error)
            if (
                self._listened
            ):  # sealed, and the agent was there: sshd says the same of a missing socket and a refused one
                hint = "it is tried again; see that the agent runs there"
                raise Lost(Reason("no_agent", "the agent's socket is gone", hint)) from None
            hint = "allow the socket (PermitOpen, AllowTcpForwarding local) or a session (MaxSessions) to this login"
            text = "this login may neither reach the agent's socket nor run the bridge"
            raise LinkRefused(Reason("no_agent", text, hint)) from None
        except (OSError, asyncssh.Error) as error:
            raise Lost(Reason("lost", f"the link broke: {error}")) from None
        return BridgeStream(process)


async def _feed(writer: asyncssh.SSHWriter[bytes], data: bytes, sent: Callable[[int], None] | None) -> None:
    """All of `data`, then the end. A far side that has seen enough says in its exit status why."""
    with suppress(OSError, asyncssh.Error):
        for at in range(0, len(data), WINDOW_BYTES):
            writer.write(data[at : at + WINDOW_BYTES])
            await writer.drain()
            if sent:
                sent(min(at + WINDOW_BYTES, len(data)))
        writer.write_eof()


def _heard(
    guard: Guard,
    host: str,
    port: int,
    added: list[asyncssh.SSHKey],
    removed: list[asyncssh.SSHKey],
    _retained: list[asyncssh.SSHKey],
    _revoked: list[asyncssh.SSHKey],
) -> None:
    guard.heard(host, port, added, removed)


def _limit_silence(connection: asyncssh.SSHClientConnection) -> None:
    """Give up what we sent and nobody acknowledges; the keepalive alone waits for what the host sends."""
    link = connection.get_extra_info("socket")
    if link is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED_S * 1000))


def _identity(path: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        hint = "correct `identity_file` in the inventory, or leave it out"
        raise LinkRefused(Reason("auth_failed", f"there is no key file {found}", hint))
    return str(found)
