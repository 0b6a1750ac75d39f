"""A node's supervisor with real engines, without a link: it knows failures by their words and leaves no process."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents import state
from agents.board import Board
from agents.events import EventLog
from agents.instances.liveness import Pace
from agents.instances.supervisor import Supervisor
from agents.layout import Layout
from agents.processes import process
from agents.processes.process import Handle
from agents.wire import SetDesired
from profiles.desired.model import DesiredInstance, InstanceSpec, Wanted
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, InstanceStatus, Phase
from tests.real_engines import traffic
from tests.real_engines.served import Served

pytestmark = pytest.mark.engines

NAME = "small/0"


class Machine:
    """A supervisor and what it has written on its board."""

    def __init__(self, directory: Path, pace: Pace | None = None) -> None:
        self._layout = layout = Layout.find(directory)
        layout.make()
        host = HostReading(cores=2, memory_total_mib=1024)
        source = GpuSource(GpuSourceKind.NONE)
        self.board = Board(hostname="here", agent_version="test", boot_id="test", host=host, gpu_source=source)
        self.supervisor = Supervisor(layout, self.board, EventLog(layout.events), pace=pace)
        self._generation = 0

    def want(self, served: Served, **changes: Any) -> None:
        fields = {"engine": served.engine, "model": str(served.model), "options": served.options, "env": served.env}
        spec = InstanceSpec(name=NAME, service="small", **(fields | changes))
        owned = {NAME: DesiredInstance(profile="test", revision=1, spec=spec)}
        asked = SetDesired(expected_generation=self._generation, instances=owned, author="test", reason="test")
        self._generation = self.supervisor.set_desired(asked, "test")

    async def until(self, seen: Callable[[InstanceStatus], bool], limit_s: float) -> InstanceStatus:
        async with asyncio.timeout(limit_s):
            while True:
                for status in self.board.status().instances:
                    if status.name == NAME and seen(status):
                        return status
                await asyncio.sleep(0.1)

    async def clear(self) -> None:
        """End what a test that failed left of its engine."""
        handle = state.peek(self._layout.instance(NAME).handle, Handle)
        if isinstance(handle, Handle):
            await process.kill_all(handle, (NAME, str(self._layout.state)))


@pytest.fixture
async def machine(tmp_path: Path, llama_cpp: Served) -> AsyncIterator[Machine]:
    one = Machine(tmp_path / "state")
    task = asyncio.create_task(one.supervisor.run())
    yield one
    one.want(llama_cpp, wanted=Wanted.STOPPED)
    await one.until(lambda status: status.phase in (Phase.STOPPED, Phase.FAILED), 60.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_missing_model_fails_with_its_reason(machine: Machine, llama_cpp: Served, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.gguf")
    machine.want(llama_cpp, model=missing)
    failed = await machine.until(lambda status: status.phase is Phase.FAILED, 10.0)
    assert failed.reason is not None
    assert missing in failed.reason.text


async def test_a_file_that_is_no_model_is_told_in_the_engines_words(
    machine: Machine, llama_cpp: Served, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is not a model")
    machine.want(llama_cpp, model=str(broken))
    ended = await machine.until(lambda status: status.phase is Phase.FAILED, 20.0)
    assert ended.reason is not None
    assert ended.reason.code == "model_broken"
    assert "exit code 1" in ended.reason.text
    assert "invalid magic characters" in ended.reason.text


async def test_a_port_in_use_is_refused(machine: Machine, llama_cpp: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        machine.want(llama_cpp, port=port)
        failed = await machine.until(lambda status: status.phase is Phase.FAILED, 10.0)
    assert failed.reason is not None
    assert str(port) in failed.reason.text


async def test_a_llama_server_with_a_key_is_read_with_it(machine: Machine, llama_cpp: Served) -> None:
    machine.want(llama_cpp, env={**llama_cpp.env, "LLAMA_API_KEY": "a-long-pass"})
    ready = await machine.until(lambda status: status.phase is Phase.READY, llama_cpp.ready_limit_s)
    assert ready.port is not None
    assert traffic.fetch(ready.port, "/metrics")[0] == 401
    dialogue = machine.supervisor.serving(NAME)
    assert dialogue is not None
    sample = await dialogue.sample()
    assert sample is not None
    assert (sample.running, sample.kv_usage_ratio) == (0, 0)


async def test_an_option_that_the_engine_refuses_is_told_and_not_tried_again(
    machine: Machine, llama_cpp: Served
) -> None:
    machine.want(llama_cpp, options={**llama_cpp.options, "extra_args": ["--of-another-version"]})
    failed = await machine.until(lambda status: status.phase is Phase.FAILED, 20.0)
    assert failed.reason is not None
    assert failed.reason.code == "bad_option"
    assert "--of-another-version" in failed.reason.text
    assert failed.restarts == 0


async def test_a_killed_vllm_is_cleared_away_and_started_again(machine: Machine, vllm: Served) -> None:
    machine.want(vllm, port=(port := process.free_port()))
    await machine.until(lambda status: status.phase is Phase.LOADING, 10.0)
    first = await machine.until(lambda status: status.phase is Phase.READY, 180.0)
    assert first.pid is not None
    orphans = [child.pid for child in psutil.Process(first.pid).children(recursive=True)]
    assert orphans

    os.kill(first.pid, signal.SIGKILL)
    await machine.until(lambda status: status.phase is Phase.BACKOFF, 20.0)
    assert not any(map(psutil.pid_exists, orphans))
    again = await machine.until(lambda status: status.phase is Phase.READY, 180.0)
    assert again.pid not in (None, first.pid)
    assert again.restarts == 1

    engines = [one.pid for one in psutil.Process(again.pid).children(recursive=True)]
    machine.want(vllm, port=port, wanted=Wanted.STOPPED)
    await machine.until(lambda status: status.phase is Phase.STOPPED, 60.0)
    assert not any(map(psutil.pid_exists, engines))
    assert process.port_is_free(port)


async def test_what_a_llama_server_took_of_memory_is_beside_its_estimate(machine: Machine, llama_cpp: Served) -> None:
    machine.want(llama_cpp, options={**llama_cpp.options, "log_verbosity": 4})
    ready = await machine.until(lambda status: status.phase is Phase.READY, llama_cpp.ready_limit_s)
    assert ready.memory is not None
    assert ready.memory.compared is not None
    assert ready.memory.compared.parts == ("weights", "activations")
    assert ready.memory.said.weights_mib == pytest.approx(llama_cpp.model.stat().st_size / 2**20, rel=0.1)
    assert ready.memory.said.kv_mib


async def test_what_vllm_has_of_kv_cache_is_heard(machine: Machine, vllm: Served) -> None:
    machine.want(vllm)
    ready = await machine.until(lambda status: status.phase is Phase.READY, vllm.ready_limit_s)
    assert ready.memory is not None
    assert (ready.memory.said.kv_mib, ready.memory.said.kv_tokens) == (1024.0, 524_288)
