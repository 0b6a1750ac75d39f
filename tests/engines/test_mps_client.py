"""A simulated process under MPS: its limits and its speed, and what happens to it with its server."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engines.simulated.device import Device, OutOfMemory
from engines.simulated.mps import Confinement
from tests.engines.simulated_process import until, yard

LIMITS = {"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=4G", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "40"}


@pytest.fixture
def pipes() -> Iterator[Path]:
    """Of a running control daemon."""
    with tempfile.TemporaryDirectory(prefix="gyp") as name:
        env = {"CUDA_MPS_PIPE_DIRECTORY": name, "PATH": os.defpath}
        argv = (sys.executable, "-P", "-m", "engines.simulated.mpscontrol", "-f")
        with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as daemon:
            until((Path(name) / "control").exists, "the daemon listens")
            yield Path(name)
            daemon.terminate()


def environ(pipes: Path) -> dict[str, str]:
    return {"CUDA_MPS_PIPE_DIRECTORY": str(pipes), **LIMITS}


def test_without_a_daemon_nothing_holds_and_nothing_is_said(tmp_path: Path) -> None:
    for env in ({}, environ(tmp_path / "nobody")):
        free = Confinement(env)
        assert (free.memory_limit_mib, free.compute_ratio, free.broken()) == (None, 1.0, False)


def test_a_client_has_its_limit_and_its_share_of_the_speed(
    pipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ(pipes).items():
        monkeypatch.setenv(name, value)
    device = Device(str(yard(tmp_path / "yard")), ("GPU-a",), "chat/0")
    device.allocate(4096)
    with pytest.raises(OutOfMemory, match="under an MPS limit of 4096 MiB"):
        device.allocate(1)
    assert device.slowdown_ratio(1.0) == pytest.approx(2.5)  # 40 % of the SMs, and nobody in the way
    device.withdraw()


def test_an_error_of_one_client_breaks_all(pipes: Path) -> None:
    with closing(Confinement(environ(pipes))) as first, closing(Confinement(environ(pipes))) as second:
        assert not second.broken()
        first.fault()
        until(second.broken, "the server is in FAULT")
