import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from agents.layout import InstanceLayout
from agents.processes import process, tree
from agents.processes.process import Handle
from agents.processes.recovery import last_taken
from agents.processes.spawn import CameLate, CannotRecord, Launch, spawn

MIB = 1024 * 1024


async def start(
    directory: Path, code: str, budget: int = 64 * MIB, incarnation: int = 1
) -> tuple[InstanceLayout, Handle]:
    directory.mkdir(exist_ok=True)
    paths = InstanceLayout(directory)
    argv = (sys.executable, "-S", "-c", code)
    launch = Launch(argv=argv, env={}, incarnation=incarnation, port=1, log_budget_bytes=budget)
    return paths, await spawn(paths, launch)


async def test_a_flooded_log_stays_within_its_budget_and_keeps_its_offsets(tmp_path: Path) -> None:
    code = "import time\nfor _ in range(12): print('x' * (1 << 20))\nprint('the end', flush=True); time.sleep(600)"
    paths, handle = await start(tmp_path, code, budget=2 * MIB)
    try:
        log = paths.log(1)
        async with asyncio.timeout(20):
            while log.stat().st_size < 12 * MIB or log.stat().st_blocks * 512 > 4 * MIB:
                await asyncio.sleep(0.05)
        assert log.read_bytes().endswith(b"the end\n")
        assert log.stat().st_size > 12 * MIB
        assert log.stat().st_mode & 0o077 == 0
    finally:
        assert await process.kill_all(handle, ("", "")) == []


async def test_the_record_waits_for_the_last_grandchild(tmp_path: Path) -> None:
    code = "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(600)\nos._exit(7)"
    paths, handle = await start(tmp_path, code)
    async with asyncio.timeout(10):
        while (found := tree.stat(handle.pid)) and not found.zombie:
            await asyncio.sleep(0.02)
    assert not paths.exit.exists()
    assert await process.kill_all(handle, ("", "")) == []
    record = await process.read_exit(paths, handle)
    assert record is not None
    assert (record.code, record.signal) == (7, None)


async def test_it_is_detached_and_holds_no_file_of_the_agent(tmp_path: Path) -> None:
    _, handle = await start(tmp_path, "import time; time.sleep(600)")
    try:
        assert os.getsid(handle.shim_pid) == handle.shim_pid
        assert Path(f"/proc/{handle.shim_pid}/cwd").readlink() == Path("/")
        for pid in (handle.shim_pid, handle.pid):
            held = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
            assert held <= {os.devnull, str(tmp_path / "lock"), str(tmp_path / "log.1")}
    finally:
        os.kill(handle.shim_pid, signal.SIGTERM)  # which it ignores: the record comes first
        assert await process.kill_all(handle, ("", "")) == []
        assert await process.read_exit(InstanceLayout(tmp_path), handle) is not None


async def test_a_late_starter_starts_nothing(tmp_path: Path) -> None:
    paths, handle = await start(tmp_path, "pass", incarnation=7)
    assert await process.read_exit(paths, handle) is not None
    assert last_taken(paths) == 7
    for late in (7, 6):
        with pytest.raises(CameLate, match="incarnation 7 was started before"):
            await start(tmp_path, "pass", incarnation=late)
    assert not paths.log(6).exists()
    await start(tmp_path, "pass", incarnation=8)


async def test_an_engine_that_cannot_be_recorded_is_ended_again(tmp_path: Path) -> None:
    paths = InstanceLayout(tmp_path)
    (tmp_path / ".handle.json.new").mkdir()  # nobody can write a file there
    mark = {tree.MARKER: "test/0", tree.MARKER_STATE: str(tmp_path)}
    launch = Launch(argv=(sys.executable, "-S", "-c", "import time; time.sleep(600)"), env=mark, incarnation=1, port=1)
    with pytest.raises(CannotRecord, match="could not be recorded, so it does not run"):
        await spawn(paths, launch)
    assert not [pid for pid in tree.everyone() if tree.marked(pid) == ("test/0", str(tmp_path))]


async def test_engines_go_before_shims_when_memory_runs_out(tmp_path: Path) -> None:
    _, handle = await start(tmp_path, "import time; time.sleep(600)")
    try:
        assert Path(f"/proc/{handle.pid}/oom_score_adj").read_text() == "100\n"
        assert int(Path(f"/proc/{handle.shim_pid}/oom_score_adj").read_text()) <= 0
    finally:
        assert await process.kill_all(handle, ("", "")) == []
