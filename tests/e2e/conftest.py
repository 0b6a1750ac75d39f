"""One fresh host per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import sshd
from tests.e2e.sshd import Host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with sshd.host(tmp_path) as found:
        yield found
