"""The program for root as an admin installs it, on the fake driver, and the line of sudoers for the user nobody."""

import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.privilege import ways
from agents.root.sudoers import sudoers
from tests.fakes.nvml.driver import FakeDriver

NOBODY = 65534


@pytest.fixture
def installed(driver: FakeDriver) -> Iterator[Path]:
    """The program where root alone can write, as an admin links it; it meets the fake driver."""
    if os.geteuid() != 0 or not ways.SUDO.exists():
        pytest.skip("needs root and sudo")
    place = Path("/run") / f"gpuyard-test-{os.getpid()}"
    place.mkdir(mode=0o755)
    path = place / "gpuyard-agent-root"
    fake = " ".join(f"{name}={driver.env()[name]}" for name in ("LD_LIBRARY_PATH", "FAKE_NVML"))
    path.write_text(f'#!/bin/sh\ncd {Path.cwd()} && exec env {fake} {sys.executable} -m agents.root "$@"\n')
    path.chmod(0o755)
    yield path
    path.unlink()
    place.rmdir()


@pytest.fixture
def granted(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("agents.root.sudoers.writable_by_others", lambda parts: iter(()))  # of whoever runs the tests
    line = Path("/etc/sudoers.d") / f"gpuyard-test-{os.getpid()}"
    line.write_text(f"{sudoers(pwd.getpwuid(NOBODY).pw_name, installed)}\n")
    line.chmod(0o440)
    yield installed
    line.unlink()
