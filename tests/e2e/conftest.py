"""One fresh host per test."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engines.simulated_device import CLAIMS_DIRECTORY, DEVICES_FILE, SimulatedGpu
from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.e2e.yard import Yard, the_yard

SLOW = frozenset(
    {
        "test_by_hand",
        "test_canary",
        "test_cordon",
        "test_cost",
        "test_doors",
        "test_explain",
        "test_fit",
        "test_fractions",
        "test_gateway",
        "test_hardened",
        "test_hosts",
        "test_kept",
        "test_past",
        "test_plan",
        "test_processes",
        "test_recipes",
        "test_rotation",
        "test_runtimes",
        "test_sealed",
        "test_security",
        "test_shares",
        "test_shell",
        "test_sleep",
        "test_trial",
        "test_two_agents",
        "test_undo",
        "test_waves",
    }
)
"""Files of whole journeys: the default suite has a life over sshd, the demo, roles and faults (make test-slow)."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before the choice by marker."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with sshd.host(tmp_path) as found:
        yield found


@pytest.fixture
def gpus(host: Host) -> Path:
    """Two simulated GPUs on the host."""
    folder = host.folder / "gpus"
    (folder / CLAIMS_DIRECTORY).mkdir(parents=True)
    devices = [SimulatedGpu(uuid=f"GPU-{at}", index=at, name="H100", memory_total_mib=81_559) for at in range(2)]
    (folder / DEVICES_FILE).write_bytes(msgspec.json.encode(devices))
    host.write_agent(f'exec {sys.executable} -P -m agents "$@" --state {host.state} --simulated {folder}')
    return folder


@pytest.fixture
def yard() -> Iterator[Yard]:
    if os.geteuid() != 0:
        pytest.skip("only root can make accounts and write sshd's settings")
    with the_yard() as found:
        yield found
