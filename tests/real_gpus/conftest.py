"""The machine's GPUs as the reader says them at first; without any, every test here skips and says why."""

import os

import pytest

from agents.gpus.source import Frame
from profiles.observed.status import GpuSourceKind
from tests.peers.seen import first_frame


@pytest.fixture(scope="session")
def machine() -> Frame:
    frame = first_frame(os.environ)
    if frame.source.kind is not GpuSourceKind.NVML or not frame.gpus:
        pytest.skip(f"no NVIDIA GPU: {frame.source.note}")
    return frame
