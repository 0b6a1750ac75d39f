"""A supervisor with the fake engine; the fake NVIDIA driver, for the tests that read GPUs."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.instances.reasons import ANYWHERE, CODES
from engines import registry
from profiles.observed.status import EventKind, Phase
from tests.agents.sudoed import granted, installed
from tests.fakes.nvml.fixtures import driver, nvml, nvml_library
from tests.fakes.supervised import Agent, FakeEngine

__all__ = ["agent", "driver", "granted", "installed", "nvml", "nvml_library"]


@pytest.fixture
async def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    monkeypatch.setattr(registry, "names", lambda: ("fake",))
    monkeypatch.setattr(registry, "get", {"fake": FakeEngine()}.__getitem__)
    one = Agent(tmp_path)
    one.start()
    yield one
    if one.task is not None and not one.task.done():
        await one.kill()
    for pid in one.mine():
        os.kill(pid, signal.SIGKILL)
    for event in one.events.after(0, 9999):
        if event.kind is EventKind.PHASE:
            phase = Phase(event.text.partition(":")[0].rpartition(" ")[2])
            assert event.code in CODES[phase] or event.code == ANYWHERE, event
