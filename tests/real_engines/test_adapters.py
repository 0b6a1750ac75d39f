"""Each adapter against its engine: the command starts it, the probe sees it, the sample reads it, a stop ends it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agents.instances import probe, scrape
from agents.layout import Layout
from agents.processes import process, spawn, tree
from engines import registry
from engines.abilities import Lives, SignalStep, Stops
from engines.base import EngineSample, Launch, Progress
from engines.options import options_for
from tests.real_engines import tiny_models, traffic
from tests.real_engines.served import Served

pytestmark = pytest.mark.engines


FLYING = {"prompt_tokens_in_flight", "generation_tokens_in_flight", "iterations"}
"""Only for an engine whose counters do not say it themselves."""


class Running(msgspec.Struct, frozen=True):
    """An engine under a shim, ready to serve."""

    engine: str
    launch: Launch
    handle: process.Handle
    marker: tuple[str, str]
    log: Path

    async def sample(self) -> EngineSample:
        engine = registry.get(self.engine)
        found = await scrape.read(
            engine, engine.ready(self.launch), lambda path: probe.get(self.launch.port, path, 10.0)
        )
        assert found is not None
        return found

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
    running = Running(served.engine, launch, handle, marker, paths.log(1))
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
        sample = await running.sample()
        said = {name for name, value in msgspec.structs.asdict(sample).items() if value is not None}
        assert said - FLYING == set(sample.__struct_fields__) - FLYING - set(engine.absent)
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


async def test_llama_server_tells_tokens_as_they_are_made_and_ends_with_a_request_in_flight(
    llama_cpp: Served, tmp_path: Path
) -> None:
    async with started(llama_cpp, tmp_path) as running:
        port = running.handle.port
        request = asyncio.create_task(asyncio.to_thread(traffic.complete, port, "tiny", 1500))
        made: set[float] = set()
        async with asyncio.timeout(30):
            while len(made) < 3:
                sample = await running.sample()
                made.add(sample.generation_tokens_in_flight or 0.0)
        assert sample.running == 1
        assert sample.kv_usage_ratio
        assert sample.generation_tokens == 0, "its own counter has none of them yet"
        living = process.adopt(running.handle, lambda: None)
        assert living is not None
        engine = registry.get("llama_cpp")
        assert isinstance(engine, Stops)
        first, second = engine.stop(running.launch)
        steps = (SignalStep(first.signal, 2.0), second)  # nobody goes on the first signal: the second is what ends it
        assert await process.stop(living, running.marker, steps) == []
        living.close()
        assert process.port_is_free(port)
        await asyncio.gather(request, return_exceptions=True)


async def test_vllm_bounds_its_histograms_by_what_it_is_told(vllm: Served, tmp_path: Path) -> None:
    """And serves a LoRA adapter, that its own call takes away and brings back while it runs, as `live` says."""
    lora = tiny_models.write_lora_folder(tmp_path / "lora")
    options = {**vllm.options, "enable_lora": True, "max_lora_rank": 8, "lora_modules": [f"a={lora}"]}
    env = {**vllm.env, "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
    async with started(replace(vllm, options=options, env=env), tmp_path) as running:
        sample = await running.sample()
        assert sample.ttft is not None
        assert sample.ttft.bounds_s == (0.05, 0.8, 5.0)
        port = running.handle.port
        load, unload = registry.get("vllm").live["lora_modules"].removeprefix("POST ").split(", ")
        ask = msgspec.json.encode({"model": "a", "prompt": "once", "max_tokens": 1})

        async def status(path: str, body: bytes) -> int:
            return (await probe.post(port, path, body, 60.0)).status

        assert await status("/v1/completions", ask) == 200
        assert await status(unload, msgspec.json.encode({"lora_name": "a"})) == 200
        assert await status("/v1/completions", ask) == 404
        assert await status(load, msgspec.json.encode({"lora_name": "a", "lora_path": str(lora)})) == 200
        assert await status("/v1/completions", ask) == 200


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
