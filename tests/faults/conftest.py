"""One node per test; the file a fault was played in is checked against the table of docs/reliability.md elsewhere."""

from collections.abc import AsyncIterator, Iterator

import pytest

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
