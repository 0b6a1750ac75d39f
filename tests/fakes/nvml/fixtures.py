"""pytest fixtures for the fake driver; a folder's conftest.py imports those that its tests use."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pynvml
import pytest

from tests.fakes.nvml.build import build
from tests.fakes.nvml.driver import FakeDriver


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Skips by name where it cannot be compiled, but not with CI=true."""
    try:
        return build(tmp_path_factory.mktemp("nvml"))
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the fake NVIDIA driver cannot be compiled: {missing}")


@pytest.fixture
def driver(tmp_path: Path, nvml_library: Path) -> FakeDriver:
    """A machine with one H100; `gpus` in its state says otherwise."""
    return FakeDriver(tmp_path, nvml_library)


@pytest.fixture
def nvml(driver: FakeDriver, nvml_library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """pynvml in this very process, initialised on the fake driver."""
    monkeypatch.setenv("FAKE_NVML", str(driver.directory))
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(nvml_library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    pynvml.nvmlInit()
    yield pynvml
    pynvml.nvmlShutdown()
