"""Logs take what they may and no more, whoever is there to see to it, and no engine waits for it."""

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents.instances.logs import read_piece
from agents.layout import InstanceLayout
from agents.processes import logspace, process, shim, tree
from agents.processes.logspace import KEPT, LogSpace, Written, budget_bytes, drop_old
from agents.processes.process import Handle
from agents.processes.spawn import Launch, spawn
from agents.redaction import Redactor

MIB = 1024 * 1024
FLOOD_MIB = 300
FLOOD = f"line = b'x' * 1023 + b'\\n'\nimport sys\nfor _ in range({FLOOD_MIB} * 1024): sys.stdout.buffer.write(line)"


async def start(directory: Path, code: str, budget: int) -> tuple[InstanceLayout, Handle]:
    launch = Launch(argv=(sys.executable, "-S", "-c", code), env={}, incarnation=1, port=1, log_budget_bytes=budget)
    paths = InstanceLayout(directory)
    return paths, await spawn(paths, launch)


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


async def test_a_flood_is_written_to_its_end_and_leaves_the_budget(tmp_path: Path) -> None:
    paths, handle = await start(tmp_path, FLOOD, budget=4 * MIB)
    record = await process.read_exit(paths, handle, limit_s=50)
    assert record is not None
    assert record.code == 0  # nothing held it up, and nothing broke it
    log = paths.log(1)
    assert log.stat().st_size == FLOOD_MIB * MIB
    assert on_disk(log) <= 5 * MIB
    piece = read_piece(log, 0, 4096, 1, Redactor({}), unfinished=True)
    assert piece.skipped_bytes >= (FLOOD_MIB - 6) * MIB
    assert piece.text.splitlines()[0] == "x" * 1023


async def test_the_agent_frees_the_log_of_an_engine_whose_shim_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logspace, "budget_bytes", lambda *_: 2 * MIB)
    code = f"import time\ntime.sleep(0.3)\n{FLOOD.replace(str(FLOOD_MIB), '20')}\ntime.sleep(600)"
    paths, handle = await start(tmp_path, code, budget=2 * MIB)
    try:
        log = paths.log(1)
        space = LogSpace(tmp_path, lambda: [Written(handle, log)])
        space.look()
        os.kill(handle.shim_pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            while log.stat().st_size < 19 * MIB:
                await asyncio.sleep(0.05)
        space.look()
        assert on_disk(log) <= 4 * MIB
        assert log.stat().st_size >= 19 * MIB
        assert (found := tree.stat(handle.pid)) is not None
        assert not found.zombie
    finally:
        assert await process.kill_all(handle, ("", "")) == []


def test_a_filesystem_without_holes_loses_the_file_and_readers_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.1"
    log.write_bytes(b"old\n" * MIB)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    monkeypatch.setattr(ctypes, "get_errno", lambda: 95)
    try:
        libc = SimpleNamespace(fallocate=lambda *_: -1)
        assert shim.free_old(libc, descriptor, MIB, 0) == 0  # type: ignore[arg-type]
        os.write(descriptor, b"new\n")
    finally:
        os.close(descriptor)
    piece = read_piece(log, 3 * MIB, 4096, 1, Redactor({}), unfinished=True)
    assert (piece.text, piece.offset) == ("new\n", 0)


def test_logs_share_a_fifth_of_the_filesystem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 100 * 1024 * MIB
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_blocks=size // 4096, f_frsize=4096))
    assert budget_bytes(tmp_path, 1) == shim.LOG_BUDGET_BYTES
    hundred = budget_bytes(tmp_path, 100)
    assert hundred == int(0.2 * size / (KEPT * 100))
    assert hundred * KEPT * 100 <= 0.2 * size
    assert budget_bytes(tmp_path, 10**9) == MIB


def test_the_logs_of_the_last_five_incarnations_stay(tmp_path: Path) -> None:
    paths = InstanceLayout(tmp_path)
    for number in (1, 3, 6, 7, 8, 9, 10):
        paths.log(number).touch()
    (tmp_path / "log.note").touch()
    drop_old(paths, 11)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.10", "log.7", "log.8", "log.9", "log.note"]
