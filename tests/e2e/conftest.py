"""One fresh host per test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.e2e.yard import Yard, the_yard


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with sshd.host(tmp_path) as found:
        yield found


@pytest.fixture
def yard() -> Iterator[Yard]:
    if os.geteuid() != 0:
        pytest.skip("only root can make accounts and write sshd's settings")
    with the_yard() as found:
        yield found
