"""One node or one host per test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from console.remote import session, ssh
from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.faults.node import FaultNode
from tests.faults.node import node as make
from tests.faults.watcher import Watcher, watching


@pytest.fixture
def node() -> Iterator[FaultNode]:
    with make() as made:
        yield made


@pytest.fixture
async def watcher(node: FaultNode) -> AsyncIterator[Watcher]:
    """The agent runs and is watched."""
    node.start()
    async with watching(node.layout.socket) as made:
        yield made


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with sshd.host(tmp_path_factory.mktemp("h")) as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers of a link, a few times faster."""
    monkeypatch.setattr(ssh, "KEEPALIVE_S", 1)
    monkeypatch.setattr(ssh, "UNACKNOWLEDGED_S", 3)
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(ssh, "LOGIN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(session, "PING_EVERY_S", 0.5)
