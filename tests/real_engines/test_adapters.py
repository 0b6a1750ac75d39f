"""Each adapter against its engine: the command starts it, the probe sees it, the sample reads it, a stop ends it."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agents.instances import probe
from agents.layout import Layout
from agents.processes import process, spawn, tree
from engines import registry
from engines.abilities import Lives, Stops
from engines.base import Launch, Progress
from engines.options import options_for
from tests.real_engines import traffic
from tests.real_engines.served import Served

pytestmark = pytest.mark.engines


class Running(msgspec.Struct, frozen=True):
    """An engine under a shim, ready to serve."""

    launch: Launch
    handle: process.Handle
    marker: tuple[str, str]
    log: Path

    def members(self) -> list[tree.Stat]:
        return process.members(self.handle, self.marker)


@asynccontextmanager
async def started(served: Served, state: Path) -> AsyncIterator[Running]:
    engine = registry.get(served.engine)
    layout = Layout.find(state)
    layout.make()
    paths = layout.instance("tiny/0")
    paths.directory.mkdir()
    port = process.free_port()
    options = options_for(engine, served.options)
    launch = Launch(instance="tiny/0", model=str(served.model), served_name="tiny", port=port, options=options)
    command = engine.command(launch)
    marker = ("tiny/0", str(state))
    marks = dict(zip((tree.MARKER, tree.MARKER_STATE), marker, strict=True))
    base = {"PATH": os.defpath, "HOME": str(state)}
    handle = await spawn.spawn(
        paths,
        spawn.Launch(argv=command.argv, env={**base, **command.env, **served.env, **marks}, incarnation=1, port=port),
    )
    running = Running(launch, handle, marker, paths.log(1))
    try:
        path = engine.ready(launch).ready_path
        traffic.until(lambda: traffic.fetch(port, path)[0] == 200, served.ready_limit_s, f"{served.engine} ready")
        yield running
    finally:
        assert await process.kill_all(handle, marker) == []


@pytest.fixture(params=["llama_cpp", "vllm"])
def served(request: pytest.FixtureRequest) -> Served:
    found: Served = request.getfixturevalue(request.param)
    return found


async def test_an_adapter_starts_reads_and_ends_its_engine(served: Served, tmp_path: Path) -> None:
    engine = registry.get(served.engine)
    async with started(served, tmp_path) as running:
        port = running.handle.port
        assert traffic.stream(port, "tiny", 40) > 1
        sample = engine.sample(traffic.fetch(port, "/metrics")[1])
        said = {name for name, value in msgspec.structs.asdict(sample).items() if value is not None}
        assert said == set(sample.__struct_fields__) - set(engine.absent)
        assert sample.generation_tokens == 40
        assert sample.prompt_tokens is not None
        assert sample.prompt_tokens > 0

        assert isinstance(engine, Progress)
        steps = [found.step for line in running.log.read_text().splitlines() if (found := engine.progress(line))]
        assert steps[-1] == "serving"
        assert len(set(steps)) >= 4

        assert isinstance(engine, Lives)
        lives = engine.liveness(running.launch)
        assert lives.one_token is not None
        assert (await probe.post(port, lives.one_token.path, lives.one_token.body, 20.0)).status == 200

        living = process.adopt(running.handle, lambda: None)
        assert living is not None
        assert isinstance(engine, Stops)
        assert await process.stop(living, running.marker, engine.stop(running.launch)) == []
        assert living.exited.is_set()
        living.close()
        assert process.port_is_free(port)


async def test_vllm_leaves_nothing_when_its_main_process_is_killed(vllm: Served, tmp_path: Path) -> None:
    async with started(vllm, tmp_path) as running:
        main = running.handle.pid
        assert len(running.members()) > 1
        os.kill(main, signal.SIGKILL)
        traffic.until(lambda: main not in {one.pid for one in running.members()}, 10.0, "the main process is gone")
        orphans = [one.pid for one in running.members()]
        assert orphans, "vLLM took its children along: the stop of the tree is no longer needed"

        assert await process.kill_all(running.handle, running.marker) == []

        assert not [pid for pid in orphans if (left := tree.stat(pid)) and not left.zombie]
