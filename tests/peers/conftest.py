"""The fake driver and, beside it, the other monitors; where they cannot be fetched, their tests skip by name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.nvml.fixtures import driver, nvml_library
from tests.peers import installed

__all__ = ["driver", "nvml_library"]


@pytest.fixture(scope="session")
def peers() -> Path:
    return _or_skip(installed.python_peers)


@pytest.fixture(scope="session")
def nvtop() -> Path:
    return _or_skip(installed.nvtop)


def _or_skip(install: Callable[[], Path]) -> Path:
    try:
        return install()
    except installed.NotInstalled as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(why))
