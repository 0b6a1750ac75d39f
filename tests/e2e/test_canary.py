"""A canary secret: each adapter starts with it, and it is nowhere but in its file and the engine's own log."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agents import wire
from engines import registry
from tests.agents.test_server import Console
from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_loopback import items, run

CANARY = "hf_canary-0123456789abcdef"
ALL_WORDS = (
    ("logs", "chat/0"),
    ("events", "--json"),
    ("ps", "--json"),
    ("nodes", "--json"),
    ("revisions", "--json"),
    ("audit", "verify", "--json"),
)
PROGRAM = """#!/bin/sh
env
echo "the token is $HF_TOKEN"
case "$*" in *engines.simulated*) exec {python} "$@";; esac
echo "fatal error: the hub refused $HF_TOKEN"
exit 1
"""


@pytest.fixture
def program(host: Host) -> Path:
    """An engine that says all it knows: its environment first."""
    path = host.folder / "talkative"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return path


def command_lines() -> bytes:
    found = b""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found += (entry / "cmdline").read_bytes()
            except OSError:
                continue
    return found


def files(state: Path) -> dict[str, bytes]:
    """All that the agent wrote; the secret itself and what the engine printed apart."""
    found = {}
    for path in state.rglob("*"):
        relative = path.relative_to(state)
        if path.is_file() and relative.parts[0] != "secrets" and not path.name.startswith("log."):
            found[str(relative)] = path.read_bytes()
    return found


async def all_frames(state: Path, instance: str, generation: int) -> bytes:
    """Every byte that a console gets: telemetry, events, and the answers to what it can ask."""
    reader, writer = await asyncio.open_unix_connection(str(state / "agent.sock"), limit=2**24)
    console = Console(reader, writer)
    await console.greet(author="t")
    asks: list[wire.AnyAsk] = [
        *(wire.ReadLog(instance=instance, offset=offset, limit_bytes=40) for offset in range(0, 400, 31)),
        wire.ReadLog(instance=instance),
        wire.ReadRevisions(),
        wire.ReadRevision(generation=generation),
        wire.VerifyAudit(),
    ]
    received: list[str] = []
    for number, ask in enumerate(asks):
        console.send(wire.Request(id=number, body=ask))
        frame = await console.expect(wire.Reply | wire.Failure)  # type: ignore[arg-type]
        received.append(repr(frame))
        await asyncio.sleep(0.06)  # requests have a rate
    console.seen.clear()
    data = b""
    async with asyncio.timeout(10):
        while data.count(b'"delta"') < 2:
            data += await reader.read(65536)
    writer.transport.abort()
    return "\n".join(received).encode() + data


def put_secret(host: Host) -> None:
    run(host, "status")  # the bridge starts the daemon, which makes the directory
    path = host.state / "secrets" / "hf-token"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)


@pytest.mark.parametrize("engine", registry.names())
def test_a_secret_is_nowhere_but_where_it_belongs(host: Host, program: Path, engine: str) -> None:
    put_secret(host)
    model = host.folder / "model.gguf"
    model.touch()
    service = {
        "engine": engine,
        "model": "m" if engine == "simulated" else str(model),
        "options": {"program": str(program)} | ({"load_seconds": 0.1} if engine == "simulated" else {}),
        "env": {"HF_TOKEN": {"secret": "hf-token"}},
    }
    path = host.folder / "profile.yaml"
    path.write_text(json.dumps({"gpuyard": 1, "profile": "p", "services": {"chat": service}}))
    host.console("apply", "-f", str(path), "--yes", "--no-wait")
    log = host.state / "instances" / "chat.0"
    wait_until(lambda: any(CANARY in one.read_text() for one in log.glob("log.*")), 20, "the engine has talked")
    if engine != "simulated":
        wait_until(lambda: items(host, "instances")[0]["phase"] == "failed", 40, "it was given up")
    assert CANARY.encode() not in command_lines()
    words = ALL_WORDS if engine == "simulated" else ALL_WORDS[:2]
    said = [host.console(*one) for one in (*words, ("apply", "-f", str(path), "--json"))]
    assert all(CANARY not in done.stdout + done.stderr for done in said)
    assert "•••(hf-token)" in said[0].stdout
    if engine != "simulated":
        assert any("the hub refused •••(hf-token)" in one["text"] for one in items(host, "events"))
    frames = asyncio.run(all_frames(host.state, "chat/0", 1))
    assert b"chat/0" in frames
    assert CANARY.encode() not in frames
    run(host, "stop", "chat", "--yes", "--now")
    written = files(host.state)
    assert {"agent.log", "desired.json", "events.jsonl", "instances/chat.0/spec.json"} <= written.keys()
    assert [name for name, content in written.items() if CANARY.encode() in content] == []
    assert host.state.stat().st_mode & 0o077 == 0
