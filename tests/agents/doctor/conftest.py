"""A machine whose /proc and /sys are files of the test, and the fake NVIDIA driver."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.doctor.subject import Subject
from agents.layout import Layout
from tests.fakes.nvml.fixtures import driver, nvml, nvml_library

__all__ = ["driver", "nvml", "nvml_library"]

Write = Callable[[str, str], Path]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    layout = Layout(tmp_path / "yard", tmp_path / "yard" / "agent.sock")
    layout.make()
    (tmp_path / "root/proc/self").mkdir(parents=True)
    shutil.copy("/proc/self/mountinfo", tmp_path / "root/proc/self/mountinfo")
    return Subject(layout, root=tmp_path / "root")


@pytest.fixture
def write(subject: Subject) -> Write:
    """Write a file below the machine's root."""

    def write(name: str, text: str) -> Path:
        path = subject.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write
