"""The demo's sshd: a port a node on loopback, public keys only, and no way but to the node's agent.

user viewer | operator | admin ──exec──► gpuyard-agent attach --role …   whatever command was asked for
admin ──direct-streamlocal──► the node's agent socket, and no other
"""

import asyncio
import os
from pathlib import Path

import asyncssh

from console.demo.child import die_with
from console.demo.node import DemoNode
from profiles.observed.status import Role

ADDRESS = "127.0.0.1"
KEY_ALGORITHM = "ssh-ed25519"


class SshServer:
    """All nodes' ports in one process. `stop` closes every connection."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._client_key = asyncssh.generate_private_key(KEY_ALGORITHM)
        self._acceptors: dict[str, asyncssh.SSHAcceptor] = {}
        self._connections: dict[str, set[asyncssh.SSHServerConnection]] = {}
        self._known_hosts: list[str] = []
        self._client_key.write_private_key(self.identity_file)
        self.identity_file.chmod(0o600)

    @property
    def identity_file(self) -> Path:
        return self._root / "id_ed25519"

    @property
    def known_hosts_file(self) -> Path:
        return self._root / "known_hosts"

    async def listen(self, node: DemoNode) -> int:
        """The port at which `node` is reached from now on."""
        host_key = asyncssh.generate_private_key(KEY_ALGORITHM)
        acceptor = await asyncssh.create_server(
            lambda: _Login(node, self._client_key.convert_to_public(), self._connections.setdefault(node.name, set())),
            ADDRESS, 0, server_host_keys=[host_key], process_factory=lambda process: _attach(process, node),
            encoding=None, allow_pty=False, agent_forwarding=False, x11_forwarding=False,
        )  # fmt: skip
        self._acceptors[node.name] = acceptor
        port = acceptor.get_port()
        public = host_key.export_public_key().decode().split()
        self._known_hosts.append(f"[{ADDRESS}]:{port} {public[0]} {public[1]}\n")
        self.known_hosts_file.write_text("".join(self._known_hosts))
        return port

    def cut(self, node: str) -> None:
        """Nobody reaches `node` from now on, and who did is cut off."""
        self._acceptors[node].close()
        for connection in list(self._connections.get(node, ())):
            connection.abort()

    async def stop(self) -> None:
        for acceptor in self._acceptors.values():
            acceptor.close()
        await asyncio.gather(*(acceptor.wait_closed() for acceptor in self._acceptors.values()))


class _Login(asyncssh.SSHServer):
    def __init__(
        self, node: DemoNode, client_key: asyncssh.SSHKey, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._node = node
        self._client_key = client_key
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._user = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username in list(Role) and key == self._client_key

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def unix_connection_requested(self, dest_path: str) -> bool:
        # The agent sees our own uid behind the socket, and cannot lower the role of such a connection.
        return self._user == Role.ADMIN and dest_path == str(self._node.socket)


async def _attach(process: asyncssh.SSHServerProcess[bytes], node: DemoNode) -> None:
    words = (process.command or "").split()
    if words[1:2] != ["attach"]:
        process.stderr.write(b"only `gpuyard-agent attach` is run here\n")
        process.exit(255)
        return
    role = str(process.get_extra_info("username"))
    pipe = asyncio.subprocess.PIPE
    bridge = await asyncio.create_subprocess_exec(
        *node.attach(role), stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=die_with(os.getpid())
    )
    try:
        await process.redirect(bridge.stdin, bridge.stdout, bridge.stderr)
        process.exit(await bridge.wait())
    finally:
        if bridge.returncode is None:
            bridge.kill()
            await bridge.wait()
