"""Hostile text of a request, in everything that an agent writes for people."""

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import wire
from agents.errors import AgentError
from agents.talk import CleanFormatter
from tests.agents.test_gate import ask
from tests.agents.test_server import Running, directory, serving  # noqa: F401

HOSTILE = "a\x1b]52;c;aGk=\x07b\x9b2Jc\x7fd\u202ee\rf"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|\\\\u00[019]|\\\\u007f")


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[Running]:  # noqa: F811
    async with serving(directory) as running:
        yield running


async def test_no_record_of_a_hostile_request_moves_a_cursor(node: Running) -> None:
    console = await node.operator(author=HOSTILE, telemetry=False)
    change = wire.SetDesired(expected_generation=0, instances={}, author=HOSTILE, reason=HOSTILE)
    await ask(console, change)
    await ask(console, wire.TakeLease(purpose=HOSTILE))
    await ask(console, wire.TakeLease(purpose=HOSTILE, force=True))
    viewer = await node.connect()
    await viewer.greet("viewer", author=HOSTILE, telemetry=False)
    await ask(viewer, change)
    assert node.events.last_seq
    files = [path for path in node.path.parent.rglob("*.jsonl") if path.stat().st_size]
    assert {path.parent.name for path in files} >= {"audit"}
    for path in files:
        if path.name != "answers.jsonl":
            assert not OBEYED.search(path.read_text()), path


def test_neither_does_a_log_line_or_a_message() -> None:
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "request failed: %s", (HOSTILE,), None)
    assert not OBEYED.search(CleanFormatter().format(record))
    assert not OBEYED.search(str(AgentError(HOSTILE, HOSTILE)))
    assert len(str(AgentError("a\nb", "c\nd")).splitlines()) == 1
