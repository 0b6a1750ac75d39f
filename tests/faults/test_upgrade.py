"""F32, F33: a newer build takes the place of the running one, or the old one comes back; engines do not notice."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from agents.wire import Hello
from tests.faults.builds import ROOT, build
from tests.faults.invariants import broken
from tests.faults.load import load
from tests.faults.node import AGENT, FaultNode, wait_until
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

NAMES = ("a/0", "b/0")


async def replace(node: FaultNode, tree: Path) -> "subprocess.CompletedProcess[str]":
    """`serve --replace` of the build in `tree`."""
    argv = [*AGENT, "serve", "--replace", "--state", str(node.state)]
    environ = os.environ | {"PYTHONPATH": str(tree)}
    return await asyncio.to_thread(
        subprocess.run, argv, env=environ, capture_output=True, text=True, cwd="/", timeout=90, check=False
    )


async def with_engines(node: FaultNode, watcher: Watcher) -> tuple[dict[str, int], list[int]]:
    """Pids and ports of two that serve."""
    await watcher.edit(lambda _: {name: node.spec(name) for name in NAMES})
    ready = [await watcher.until_phase(name) for name in NAMES]
    return {one.name: one.pid or 0 for one in ready}, [one.port or 0 for one in ready]


def running_version(watcher: Watcher) -> str:
    return watcher.hello.version if watcher.since_s else ""


async def test_f32_a_newer_build_takes_over_under_load(
    node: FaultNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node.environ["PYTHONPATH"] = str(build(tmp_path, "0.1.7"))
    node.start()
    async with watching(node.layout.socket) as watcher:
        kept, ports = await with_engines(node, watcher)
        assert running_version(watcher) == "0.1.7"
        async with load(ports) as counted:
            for version in ("0.2.0", "0.3.0"):
                watcher.longest_gap_s = 0.0
                done = await replace(node, build(tmp_path, version))
                assert done.returncode == 0, done.stderr
                assert f"gpuyard-agent {version} serves" in done.stdout
                await watcher.until(lambda wanted=version: running_version(watcher) == wanted, "the new one streams")
                for name in NAMES:
                    await watcher.until_phase(name)
                with capsys.disabled():
                    print(f"\n{version}: {watcher.longest_gap_s:.2f} s without a frame")
        assert counted.failed == {}
        assert counted.served > 0
        assert broken(node, watcher, kept) == []
        agent_starts = [event.text for event in watcher.events if event.code == "agent_started"]
        assert [text.split()[1] for text in agent_starts] == ["0.1.7", "0.2.0", "0.3.0"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise SystemExit('this build is broken')", "this build is broken"),
        ("import time; time.sleep(600)", "no Hello"),
    ],
    ids=["it ends at once", "it hangs"],
)
async def test_f32_a_build_that_does_not_answer_gives_way_to_the_old_one(
    node: FaultNode, tmp_path: Path, fault: str, said: str
) -> None:
    node.environ["PYTHONPATH"] = str(build(tmp_path, "0.1.7"))
    node.start()
    async with watching(node.layout.socket) as watcher:
        kept, _ = await with_engines(node, watcher)
        tree = build(tmp_path, "0.2.0")
        daemon = tree / "agents" / "daemon.py"
        daemon.write_text(daemon.read_text() + f"\n{fault}\n")
        replacing = tree / "agents" / "replacing.py"
        replacing.write_text(replacing.read_text().replace("HELLO_LIMIT_S = 20.0", "HELLO_LIMIT_S = 5.0"))
        done = await replace(node, tree)
        assert done.returncode == 1
        assert said in done.stderr
        assert "the build before serves again" in done.stderr
        await watcher.until(lambda: running_version(watcher) == "0.1.7", "the old one streams again")
        for name in NAMES:
            await watcher.until_phase(name)
        assert broken(node, watcher, kept) == []


def contents(node: FaultNode) -> dict[Path, bytes]:
    """Of what nothing may be decided without, as far as it was ever written."""
    return {path: path.read_bytes() for path in node.layout.versioned() if path.exists()}


async def test_f34_state_from_the_future_is_refused_before_anything_is_touched(
    node: FaultNode, watcher: Watcher
) -> None:
    kept, _ = await with_engines(node, watcher)
    spec = node.layout.instance("a/0").spec
    spec.write_bytes(b'{"version":99,"data":{}}')
    before = contents(node)
    assert node.agent is not None
    done = await replace(node, ROOT)
    assert done.returncode == 1
    assert "version 99" in done.stderr
    assert node.agent.poll() is None
    assert contents(node) == before
    node.kill()
    refused = node.start(wait=False)
    wait_until(lambda: refused.poll() is not None, "the agent refuses to start")
    assert refused.returncode == 1
    assert "start the newer gpuyard-agent" in node.said
    assert contents(node) == before
    assert broken(node, None, kept) == []


async def test_f33_a_console_of_another_time_is_told_which_side_to_upgrade(node: FaultNode, watcher: Watcher) -> None:
    from console.remote.errors import LinkRefused
    from console.remote.session import greet
    from tests.faults.watcher import SocketStream

    for hello, hint in (
        (Hello(version="9.0", protocol_min=8, protocol_max=9), "upgrade the agent on that node to 9.0"),
        (Hello(version="0.0.1", protocol_min=0, protocol_max=0), "upgrade this console to"),
    ):
        reader, writer = await asyncio.open_unix_connection(str(node.layout.socket))
        with pytest.raises(LinkRefused) as refused:
            await greet(SocketStream(reader, writer), hello)
        writer.close()
        assert hello.version in refused.value.reason.text
        assert refused.value.reason.hint.startswith(hint)
