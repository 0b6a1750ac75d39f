"""The demo for real: it comes to life, its ways in hold, and nothing of it survives any kind of end."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import asyncssh
import psutil
import pytest

from agents.wire import Hello
from console.demo.child import python
from console.demo.directory import sweep
from console.demo.unixsocket import Watch
from console.inventory import Node, load
from profiles.observed.status import GpuSourceKind, NodeStatus, Phase

LIMIT_S = 40.0
CONTENDED = "chat-8b/0"
DEMO = (
    "import argparse, sys; from console.demo import command; p = argparse.ArgumentParser();"
    "command.add_parser(p.add_subparsers()); sys.exit(command.run(p.parse_args(['demo', *sys.argv[1:]])))"
)


def wait_for(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


class Demo:
    """A running demo; `base` is the temporary directory that it was given, which marks all its processes."""

    def __init__(self, base: Path, process: "subprocess.Popen[bytes]") -> None:
        self.base = base
        self.process = process

    def living(self) -> list[int]:
        """Every process that has our directory in its command line or environment."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join([*process.cmdline(), *process.environ().values()])
                if process.pid != os.getpid() and str(self.base) in words and process.status() != "zombie":
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def roots(self) -> list[Path]:
        return list(self.base.glob("gpuyard-*"))

    @property
    def cluster(self) -> int:
        children = psutil.Process(self.process.pid).children()
        found: int = next(child.pid for child in children if "console.demo.cluster" in child.cmdline())
        return found


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def begin(*arguments: str, **more: object) -> Demo:
        base = tmp_path_factory.mktemp("d")
        env = {**os.environ, "TMPDIR": str(base), "XDG_CONFIG_HOME": str(base / "config"), "TERM": "xterm-256color"}
        argv = [sys.executable, "-P", "-c", DEMO, "--nodes", "1", "--gpus", "2", *arguments]
        pipes: dict[str, object] = {"stdout": subprocess.PIPE, **more}
        demo = Demo(base, subprocess.Popen(argv, env=env, **pipes))  # type: ignore[call-overload]
        started.append(demo)
        return demo

    yield begin
    for demo in started:
        for pid in demo.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        demo.process.wait()
        if demo.process.stdout:
            demo.process.stdout.close()


def inventory_of(demo: Demo) -> Path:
    assert demo.process.stdout is not None
    return Path(demo.process.stdout.readline().decode().strip())


def engines_run(demo: Demo) -> bool:
    return len(list(demo.base.glob("gpuyard-demo-*/*/gpus/claims/*.json"))) == 2


def agent_of(demo: Demo) -> int:
    """0 while no agent holds the node, and its socket."""
    state = next(demo.base.glob("gpuyard-demo-*/fra-1/state"))
    try:
        pid = int((state / "agent.lock").read_text())
        return pid if psutil.pid_exists(pid) and (state / "agent.sock").is_socket() else 0
    except (FileNotFoundError, ValueError):
        return 0


def kill_agent(demo: Demo) -> None:
    """While a console without a role of its own looks on; returns once there is another agent."""
    node = load(next(demo.base.glob("gpuyard-demo-*/inventory.yaml"))).nodes["fra-1"]
    before = agent_of(demo)
    os.kill(before, signal.SIGKILL)
    assert asyncio.run(role_by_bridge(node, "viewer")) == "viewer"
    wait_for(lambda: agent_of(demo) not in (0, before))
    assert psutil.Process(agent_of(demo)).ppid() == demo.cluster


@pytest.mark.parametrize(
    ("number", "code", "agent_died"),
    [
        (signal.SIGINT, 130, False), (signal.SIGINT, 130, True), (signal.SIGTERM, 0, False), (signal.SIGHUP, 0, False),
        (signal.SIGKILL, -signal.SIGKILL, False), (signal.SIGKILL, -signal.SIGKILL, True),
    ],
)  # fmt: skip
def test_nothing_is_left_after(start: Callable[..., Demo], number: signal.Signals, code: int, agent_died: bool) -> None:
    demo = start("--headless")
    assert load(inventory_of(demo)).nodes.keys() == {"fra-1"}
    wait_for(lambda: engines_run(demo))
    if agent_died:
        kill_agent(demo)
    demo.process.send_signal(number)
    assert demo.process.wait(LIMIT_S) == code
    if number is not signal.SIGKILL:
        assert not demo.living(), "an orderly end returns only when all is gone"
    wait_for(lambda: not demo.living())
    wait_for(lambda: not demo.roots())


def test_nothing_is_left_when_it_ends_while_it_starts(start: Callable[..., Demo]) -> None:
    demo = start("--headless")
    wait_for(lambda: demo.roots())
    demo.process.kill()
    assert demo.process.wait(LIMIT_S) == -signal.SIGKILL
    wait_for(lambda: not demo.living())
    wait_for(lambda: not demo.roots())


def test_a_killed_cluster_takes_all_with_it_and_the_next_demo_sweeps(
    start: Callable[..., Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = start("--headless")
    inventory_of(demo)
    wait_for(lambda: engines_run(demo))
    os.kill(demo.cluster, signal.SIGKILL)
    assert demo.process.wait(LIMIT_S) == 1
    wait_for(lambda: not demo.living())
    assert demo.roots()
    monkeypatch.setattr("tempfile.tempdir", str(demo.base))
    sweep()
    assert not demo.roots()


@pytest.mark.parametrize("keys", [b"q", b"", b"kill"], ids=["q", "hang-up", "SIGKILL"])
def test_nothing_is_left_after_the_console(start: Callable[..., Demo], keys: bytes) -> None:
    ours, theirs = pty.openpty()
    demo = start(stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_own_terminal)
    os.close(theirs)
    os.set_blocking(ours, False)
    screen = b""

    def painted() -> bool:
        nonlocal screen
        with suppress(OSError):
            screen += os.read(ours, 1 << 16)
        return b"fra-1" in screen or b"SIMULATED" in screen

    try:
        wait_for(painted)
        wait_for(lambda: painted() and engines_run(demo))
        kill_agent(demo)
        if keys == b"q":
            os.write(ours, keys)
            wait_for(lambda: painted() and demo.process.poll() is not None)
            assert demo.process.returncode == 0
        elif keys == b"kill":
            demo.process.kill()
    finally:
        os.close(ours)
    demo.process.wait(LIMIT_S)
    wait_for(lambda: not demo.living())
    wait_for(lambda: not demo.roots())


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def test_ways_in(start: Callable[..., Demo]) -> None:
    demo = start("--headless")
    node = load(inventory_of(demo)).nodes["fra-1"]
    roles = [await role_by_bridge(node, user) for user in ("viewer", "operator", "admin")]
    assert roles == ["viewer", "operator", "admin"]
    async with login(node, "admin") as connection:
        await connection.open_unix_connection(node.socket)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_unix_connection(str(Path(node.socket or "").with_name("other.sock")))
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", node.port or 0)
        assert (await connection.run("id")).exit_status == 255  # as ssh says that it failed
    async with login(node, "viewer") as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_unix_connection(node.socket)
    with pytest.raises(asyncssh.PermissionDenied):
        async with login(node, "root"):
            pass
    with pytest.raises(asyncssh.PermissionDenied):
        async with asyncssh.connect(**address(node), username="admin", client_keys=None, password="admin"):
            pass


def address(node: Node) -> dict[str, object]:
    return {"host": node.address, "port": node.port, "known_hosts": node.known_hosts, "config": [], "agent_path": None}


def login(node: Node, user: str) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
    return asyncssh.connect(**address(node), username=user, client_keys=[node.identity_file])


async def role_by_bridge(node: Node, user: str) -> str:
    from agents.framing import FrameReader

    async with login(node, user) as connection:
        process = await connection.create_process("gpuyard-agent attach", encoding=None)
        reader, frames = FrameReader(), []
        while reader.nonce is None:
            frames = reader.frames(await process.stdout.read(4096))
        process.stdin.write(f"gpuyard/1 {reader.nonce}\n".encode())
        while not frames:
            frames = reader.frames(await process.stdout.read(4096))
        assert isinstance(frames[0], Hello)
        return str(frames[0].role)


async def test_gpus_read_through_nvml_do_as_their_engines_do_and_nothing_is_left(start: Callable[..., Demo]) -> None:
    demo = start("--headless", "--nvml", "fake")
    watch = Watch(Path(load(inventory_of(demo)).nodes["fra-1"].socket or ""))
    running = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            status = await watch.until(
                lambda seen: any(
                    held.instance and held.busy_ratio and gpu.memory_used_mib and gpu.sm_active_ratio
                    for gpu in seen.gpus for held in gpu.processes
                )
            )  # fmt: skip
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert status.gpu_source.kind is GpuSourceKind.SIMULATED
    assert "through NVML from a fake driver" in status.gpu_source.note
    pids = {one.pid for one in status.instances}
    assert {held.pid for gpu in status.gpus for held in gpu.processes if held.instance} <= pids
    demo.process.terminate()
    assert demo.process.wait(LIMIT_S) == 0
    assert not demo.living()


async def test_engines_serve_simulated_gpus_under_traffic(start: Callable[..., Demo]) -> None:
    demo = start("--headless")
    watch = Watch(Path(load(inventory_of(demo)).nodes["fra-1"].socket or ""))
    running = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            status = await watch.until(
                lambda seen: any(
                    found.phase is Phase.READY and found.reading and (found.reading.generation_tok_s or 0) > 0
                    for found in seen.instances
                )
            )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert status.gpu_source.kind is GpuSourceKind.SIMULATED
    assert len(status.gpus) == 2
    assert any(process.instance for gpu in status.gpus for process in gpu.processes)


async def test_a_stranger_slows_the_tenants_of_its_gpu(start: Callable[..., Demo]) -> None:
    demo = start("--headless")
    socket = Path(load(inventory_of(demo)).nodes["fra-1"].socket or "")
    watch = Watch(socket)
    running = asyncio.create_task(watch.run())
    stranger: subprocess.Popen[bytes] | None = None
    try:
        async with asyncio.timeout(LIMIT_S):
            before = await watch.until(lambda seen: _itl_s(seen, CONTENDED) is not None)
            held = next(one.slices[0].gpu_uuid for one in before.instances if one.name == CONTENDED)
            stranger = subprocess.Popen(python("console.demo.foreign", socket.parent.parent / "gpus", held))
            slow_s = 1.3 * (_itl_s(before, CONTENDED) or 0.0)
            after = await watch.until(lambda seen: (_itl_s(seen, CONTENDED) or 0.0) > slow_s)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if stranger is not None:
            stranger.kill()
            stranger.wait()
    holders = next(gpu.processes for gpu in after.gpus if gpu.uuid == held)
    assert [(one.name, one.user) for one in holders if one.instance is None] == [("whisper", "bob")]


def _itl_s(status: NodeStatus, instance: str) -> float | None:
    """The mean gap between tokens in the newest window; None before fifty of them were seen."""
    reading = next((one.reading for one in status.instances if one.name == instance), None)
    found = reading.itl if reading else None
    return found.sum_s / found.count if found and found.count >= 50 else None


def test_a_stranger_claims_a_gpu(tmp_path: Path) -> None:
    from engines.simulated_device import decode_claim

    (tmp_path / "claims").mkdir()
    process = subprocess.Popen(python("console.demo.foreign", tmp_path, "GPU-1"))
    path = tmp_path / "claims" / f"{process.pid}.json"
    try:
        wait_for(path.exists)
        claim = decode_claim(path.read_bytes())
        assert (claim.pid, claim.name, claim.user, claim.instance) == (process.pid, "whisper", "bob", None)
        assert claim.gpus["GPU-1"] > 0
    finally:
        process.kill()
        process.wait()
