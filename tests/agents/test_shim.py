import asyncio
import os
import signal
import sys
from pathlib import Path

from agents import process, tree
from agents.layout import InstanceLayout
from agents.process import Handle, Launch

MIB = 1024 * 1024


async def start(directory: Path, code: str, budget: int = 64 * MIB) -> tuple[InstanceLayout, Handle]:
    paths = InstanceLayout(directory)
    argv = (sys.executable, "-S", "-c", code)
    launch = Launch(argv=argv, env={}, incarnation=1, port=1, log_budget_bytes=budget)
    return paths, await process.spawn(paths, launch)


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
