"""What other processes may put into their environment does not disturb us."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agents.processes import tree


@pytest.fixture
def hostile() -> Iterator[int]:
    """The pid of a process whose marker is no text."""
    env = {**os.environb, tree.MARKER.encode(): b"\xff\x1b", tree.MARKER_STATE.encode(): b"/\xfe"}
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_marker_that_is_no_text_is_read_all_the_same(hostile: int) -> None:
    assert tree.marked(hostile) == ("\ufffd\x1b", "/\ufffd")


def test_and_belongs_to_no_engine_of_ours(hostile: int) -> None:
    nobody = tree.Stat(2**22, 0, 2**22, 0, False)
    assert hostile not in {one.pid for one in tree.members(nobody, nobody, ("chat/0", "/state"))}
