"""What befalls real engines from outside: their agent is killed, their port is taken, a signal comes amid a stream."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from agents.processes import process
from profiles.desired.model import Wanted
from profiles.observed.status import Phase
from tests.real_engines import node as nodes
from tests.real_engines import traffic
from tests.real_engines.node import Node
from tests.real_engines.served import Served
from tests.real_engines.test_end_to_end import phase, write_profile
from tests.real_engines.test_supervisor import Machine

pytestmark = pytest.mark.engines


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with nodes.running(tmp_path) as running:
        yield running


@pytest.fixture
async def machine(tmp_path: Path, vllm: Served) -> AsyncIterator[Machine]:
    one = Machine(tmp_path / "state")
    task = asyncio.create_task(one.supervisor.run())
    yield one
    one.want(vllm, wanted=Wanted.STOPPED)
    await one.until(lambda status: status.phase in (Phase.STOPPED, Phase.FAILED), 60.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_an_agent_killed_while_vllm_loads_finds_it_again_and_sees_it_ready(
    node: Node, vllm: Served, tmp_path: Path
) -> None:
    profile = write_profile(tmp_path / "tiny.yaml", {"dummy": (vllm, process.free_port())})
    node.run("apply", "-f", str(profile), "--yes", "--no-wait")
    traffic.until(lambda: phase(node, "dummy/0") == "loading", 20.0, "vLLM loads")
    engine = node.instances()["dummy/0"]["pid"]
    agents = [pid for pid in node.processes() if "serve" in psutil.Process(pid).cmdline()]
    assert len(agents) == 1

    os.kill(agents[0], signal.SIGKILL)
    found = node.instances()["dummy/0"]  # the bridge begins another agent
    assert (found["phase"], found["pid"]) == ("loading", engine)
    traffic.until(lambda: phase(node, "dummy/0") == "ready", vllm.ready_limit_s, "vLLM serves")
    found = node.instances()["dummy/0"]
    assert (found["pid"], found["restarts"]) == (engine, 0)
    node.run("stop", "dummy/0", "--yes")


async def test_a_port_that_is_taken_while_vllm_imports_is_named_and_tried_again(machine: Machine, vllm: Served) -> None:
    """It was free when the agent looked: the engine itself finds it taken, ten seconds later."""
    port = process.free_port()
    machine.want(vllm, port=port)
    await machine.until(lambda status: status.phase is Phase.LOADING, 10.0)
    with socket.create_server(("127.0.0.1", port)):
        ended = await machine.until(lambda status: status.phase is Phase.BACKOFF, 90.0)
    assert ended.reason is not None
    assert ended.reason.code == "port_taken"
    assert "ss -ltnp" in ended.reason.hint
    again = await machine.until(lambda status: status.phase is Phase.READY, vllm.ready_limit_s)
    assert (again.port, again.restarts) == (port, 1)


async def test_a_model_of_a_hub_that_is_not_on_the_node_fails_and_is_not_tried_again(
    machine: Machine, vllm: Served
) -> None:
    machine.want(vllm, model="nobody/has-this-model")
    failed = await machine.until(lambda status: status.phase is Phase.FAILED, 90.0)
    assert failed.reason is not None
    assert failed.reason.code == "model_not_cached"
    assert failed.restarts == 0


async def test_a_term_amid_a_stream_lets_vllm_finish_it(machine: Machine, vllm: Served) -> None:
    """Somebody else's signal: `shutdown_timeout` of the adapter's command makes vLLM drain; then it is started again,
    because nobody asked for its end.
    """
    machine.want(vllm, options={**vllm.options, "shutdown_timeout": 60})
    first = await machine.until(lambda status: status.phase is Phase.READY, vllm.ready_limit_s)
    assert first.pid is not None
    assert first.port is not None
    request = asyncio.create_task(asyncio.to_thread(traffic.stream, first.port, vllm.model.name, 1500))
    dialogue = machine.supervisor.serving("small/0")
    assert dialogue is not None
    async with asyncio.timeout(30.0):
        while not ((sample := await dialogue.sample()) and sample.running):
            assert not request.done(), "it ended before the signal"
            await asyncio.sleep(0.05)

    os.kill(first.pid, signal.SIGTERM)
    assert await request > 1000
    ended = await machine.until(lambda status: status.phase is Phase.BACKOFF, 60.0)
    assert ended.reason is not None
    assert ended.reason.code == "told_to_end"
    again = await machine.until(lambda status: status.phase is Phase.READY, vllm.ready_limit_s)
    assert (again.pid == first.pid, again.restarts) == (False, 1)


async def test_a_llama_server_that_streams_is_stopped_only_when_the_stream_has_ended(
    machine: Machine, llama_cpp: Served
) -> None:
    machine.want(llama_cpp)
    first = await machine.until(lambda status: status.phase is Phase.READY, llama_cpp.ready_limit_s)
    assert first.port is not None
    dialogue = machine.supervisor.serving("small/0")
    assert dialogue is not None
    os.kill(first.pid or 0, signal.SIGSTOP)  # so that it cannot be done before it is asked to stop
    request = asyncio.create_task(asyncio.to_thread(traffic.stream, first.port, "tiny", 900))
    await asyncio.sleep(0.5)
    os.kill(first.pid or 0, signal.SIGCONT)
    machine.want(llama_cpp, wanted=Wanted.STOPPED)
    assert await request > 500
    await machine.until(lambda status: status.phase is Phase.STOPPED, 30.0)
