import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agents.layout import InstanceLayout
from agents.processes import process, tree
from agents.processes.process import Exit, Handle, Process
from agents.processes.spawn import AlreadyLocked, CannotExecute, Launch, spawn
from engines.abilities import SignalStep

FAKE = Path(__file__).parents[1] / "fakes" / "engine.py"

MARKER = "test/0"


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Callable[..., "asyncio.Future[Handle]"]]:
    handles: list[Handle] = []

    async def start(*flags: str, directory: str = "one", budget: int = 1 << 26, incarnation: int = 1) -> Handle:
        paths = InstanceLayout(tmp_path / directory)
        paths.directory.mkdir(exist_ok=True)
        port = process.free_port()
        argv = (sys.executable, str(FAKE), "--port", str(port), *flags)
        env = {tree.MARKER: MARKER, tree.MARKER_STATE: str(tmp_path), "PATH": os.defpath}
        launch = Launch(argv=argv, env=env, incarnation=incarnation, port=port, log_budget_bytes=budget)
        handles.append(await spawn(paths, launch))
        return handles[-1]

    yield start
    for handle in handles:
        assert await process.kill_all(handle, (MARKER, str(tmp_path))) == []


async def test_spawn_stop_leaves_a_record_and_no_process(engines, tmp_path):
    handle = await engines()
    assert tree.stat(handle.pid).start_ticks == handle.start_ticks  # type: ignore[union-attr]
    assert os.getsid(handle.pid) == handle.pid
    living = process.adopt(handle, lambda: None)
    assert living is not None
    await wait_listening(handle.port)
    assert await process.stop(living, (MARKER, str(tmp_path)), [SignalStep("SIGTERM", 5)]) == []
    record = await process.read_exit(InstanceLayout(tmp_path / "one"), handle)
    assert record is not None
    assert record.code == 0
    assert process.port_is_free(handle.port)
    living.close()


async def test_an_engine_deaf_to_sigterm_goes_with_its_children(engines, tmp_path):
    handle = await engines("--ignore-term", "--children", "2")
    living = process.adopt(handle, lambda: None)
    assert living is not None
    await wait_listening(handle.port)
    marker = (MARKER, str(tmp_path))
    assert len(process.members(handle, marker)) == 3
    assert await process.stop(living, marker, [SignalStep("SIGTERM", 0.1), SignalStep("SIGTERM", 0.1)]) == []
    assert process.members(handle, marker) == []
    record = await process.read_exit(InstanceLayout(tmp_path / "one"), handle)
    assert record is not None
    assert record.signal == signal.SIGKILL
    living.close()


async def test_a_hurried_stop_goes_on_to_the_next_step(engines, tmp_path):
    handle = await engines("--ignore-term")
    living = process.adopt(handle, lambda: None)
    assert living is not None
    await wait_listening(handle.port)
    hurry = asyncio.Event()
    steps = [SignalStep("SIGTERM", 600), SignalStep("SIGINT", 600)]
    stopping = asyncio.create_task(process.stop(living, (MARKER, str(tmp_path)), steps, hurry))
    while not stopping.done():
        hurry.set()
        await asyncio.sleep(0.05)
    assert await stopping == []
    living.close()


async def test_the_lock_refuses_a_second_start(engines):
    first = await engines()
    with pytest.raises(AlreadyLocked):
        await engines(incarnation=2)
    assert tree.stat(first.pid) is not None


async def test_the_engine_itself_holds_the_lock_when_its_shim_is_killed(engines, tmp_path):
    handle = await engines()
    os.kill(handle.shim_pid, signal.SIGKILL)
    while (found := tree.stat(handle.shim_pid)) and not found.zombie:
        await asyncio.sleep(0.01)
    with (tmp_path / "one" / "lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_exit_is_seen_though_not_our_child(engines):
    handle = await engines("--crash-at-start")
    living: Process | None = process.adopt(handle, lambda: None)
    if living is not None:
        await asyncio.wait_for(living.exited.wait(), 10)
        living.close()
    assert process.adopt(handle, lambda: None) is None


async def test_a_reused_pid_is_not_adopted(engines):
    import msgspec

    handle = await engines()
    assert process.adopt(msgspec.structs.replace(handle, start_ticks=handle.start_ticks - 1), lambda: None) is None
    assert process.adopt(msgspec.structs.replace(handle, boot_id="another"), lambda: None) is None


async def test_a_program_that_cannot_be_executed(tmp_path: Path) -> None:
    launch = Launch(argv=("/nowhere/engine",), env={}, incarnation=1, port=1)
    with pytest.raises(CannotExecute, match="No such file"):
        await spawn(InstanceLayout(tmp_path), launch)


def test_exit_in_words() -> None:
    assert Exit(incarnation=1, at_unix_s=0, code=3).text() == "exit code 3"
    assert Exit(incarnation=1, at_unix_s=0, signal=9).text() == "killed by SIGKILL"


async def wait_listening(port: int) -> None:
    async with asyncio.timeout(20):
        while process.port_is_free(port):
            await asyncio.sleep(0.02)
