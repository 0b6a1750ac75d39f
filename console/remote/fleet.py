"""All links of an inventory; the only thing of this package that the rest of the console talks to."""

import asyncio
import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from agents.wire import AnswerT, AnyAsk, Hello
from console import anchors
from console.anchors import Anchors
from console.inventory import Inventory, Node
from console.remote import hostkeys, local, waking
from console.remote.hostkeys import Rotation, UnknownKey
from console.remote.link import Link
from console.remote.stream import Connection, Dial
from console.store import Store

if TYPE_CHECKING:
    from console.remote.ssh import Dialler


FILES_AT_MOST = 65536


class Fleet:
    """`author` is who is asking, a claim for the record. Without `telemetry`, nodes answer requests only."""

    def __init__(self, inventory: Inventory, store: Store, *, author: str, telemetry: bool = True) -> None:
        self._inventory = inventory
        self._store = store
        self.anchors = Anchors(anchors.usual_path())
        self._ssh = _LazySsh(partial(self._offer, True))
        hello = Hello(version=version("gpuyard"), author=author, telemetry=telemetry)
        self._links: dict[str, Link] = {}
        for name, node in inventory.nodes.items():
            if name not in store.nodes:
                store.add_node(name, node.site, node.labels, node.owner)
            look_back = partial(anchors.look_back, self.anchors, place(node))
            self._links[name] = Link(name, store, self._dial(node), hello, look_back)

    async def run(self) -> None:
        """Every link, until cancelled. Only here is the ssh library imported."""
        allow_files()
        try:
            async with asyncio.TaskGroup() as links:
                links.create_task(waking.watch(self._renew), name="waking")
                for name, link in self._links.items():
                    links.create_task(link.run(), name=f"link {name}")
        finally:
            with suppress(OSError):  # a home that cannot be written: nothing is remembered
                self.anchors.save()
            await self._ssh.close()

    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT:
        """What `node` answers. Raises RequestFailed, or NodeUnreachable without a link or when it breaks."""
        return await self._links[node].request(ask, answer, deadline_s, bulk)

    def retry(self, node: str) -> None:
        """A person asks to try a refused or lost node now."""
        self._links[node].retry()

    def unknown_key(self, node: str) -> UnknownKey | None:
        """The host key that somebody must vouch for before `node` can be reached."""
        return self._links[node].unknown_key

    def trust(self, node: str) -> None:
        """A person vouches for the key that `node` showed: store it and connect. Raises OSError."""
        link = self._links[node]
        if link.unknown_key is not None:
            hostkeys.store(link.unknown_key)
            link.unknown_key = None
            link.retry()

    def rotations(self) -> list[Rotation]:
        """New keys that hosts have proved to be theirs; a person may record them by console.remote.hostkeys."""
        return self._ssh.rotations()

    def rotation(self, node: str) -> Rotation | None:
        """The same of the host of `node`."""
        return self._ssh.rotation(self._inventory.nodes[node].address)

    def record(self, node: str) -> None:
        """A person says yes to the new keys of its host. Raises OSError."""
        address = self._inventory.nodes[node].address
        if found := self._ssh.rotation(address):
            hostkeys.renew(found)
            self._ssh.recorded(address)
            self._offer(False, address)

    def _offer(self, waits: bool, address: str) -> None:
        for name, node in self._inventory.nodes.items():
            if node.address == address:
                self._store.offer_keys(name, waits)

    def _renew(self) -> None:
        for link in self._links.values():
            link.renew()

    def _dial(self, node: Node) -> Dial:
        return partial(_dial_local, node) if node.local else partial(self._ssh.dial, node)


def place(node: Node) -> str:
    """Where the agent of `node` is, as this console reaches it."""
    return "local" if node.local else f"{node.user or ''}@{node.address}:{node.port or ''} {node.socket or ''}".strip()


class _LazySsh:
    """asyncssh takes as long to import as the first paint; nothing of it is needed before a link is."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._dialler: Dialler | None = None

    async def dial(self, node: Node, socket: str) -> Connection:
        if self._dialler is None:
            from console.remote.ssh import Dialler

            self._dialler = Dialler(self._told)
        return await self._dialler.dial(node, socket)

    def rotations(self) -> list[Rotation]:
        return self._dialler.rotations() if self._dialler is not None else []

    def rotation(self, address: str) -> Rotation | None:
        return self._dialler.rotation(address) if self._dialler is not None else None

    def recorded(self, address: str) -> None:
        if self._dialler is not None:
            self._dialler.recorded(address)

    async def close(self) -> None:
        if self._dialler is not None:
            await self._dialler.close()


def allow_files() -> None:
    """As many open files as this process may have: a link needs one, a local one several."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_AT_MOST if hard == resource.RLIM_INFINITY else min(hard, FILES_AT_MOST)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _dial_local(node: Node, socket: str) -> Connection:
    return await local.dial(node)
