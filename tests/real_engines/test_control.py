"""What real engines make of the calls that they are steered by, made by a node's supervisor."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engines.control import Act
from engines.vllm_calls import calls
from profiles.desired.model import Wanted
from profiles.observed.status import InstanceStatus, Phase
from tests.real_engines import tiny_models, traffic
from tests.real_engines.served import Served
from tests.real_engines.test_supervisor import NAME, Machine

pytestmark = pytest.mark.engines


@asynccontextmanager
async def machine_for(served: Served, state: Path) -> AsyncIterator[Machine]:
    one = Machine(state)
    task = asyncio.create_task(one.supervisor.run())
    one.want(served)
    try:
        await one.until(lambda status: status.phase is Phase.READY, served.ready_limit_s)
        yield one
        one.want(served, wanted=Wanted.STOPPED, drain_s=0.0)
        await one.until(lambda status: status.phase is Phase.STOPPED, 60.0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.clear()


def with_options(served: Served, **options: object) -> Served:
    return replace(served, options={**served.options, **options})


async def same_process(machine: Machine, served: Served, ready: InstanceStatus) -> InstanceStatus:
    machine.want(served)
    after = await machine.until(lambda status: status.phase is Phase.READY, 30.0)
    assert (after.pid, after.restarts) == (ready.pid, 0)
    return after


async def test_llama_servers_scales_change_while_it_runs(llama_cpp: Served, tmp_path: Path) -> None:
    paths = [tiny_models.write_llama_gguf_lora(tmp_path / f"{name}.gguf") for name in "ab"]

    def scaled(scales: Iterable[float]) -> Served:
        return with_options(
            llama_cpp, lora_scaled=[f"{path}:{scale}" for path, scale in zip(paths, scales, strict=True)]
        )

    def told() -> list[float]:
        assert ready.port is not None
        return [one["scale"] for one in json.loads(traffic.fetch(ready.port, "/lora-adapters")[1])]

    async with machine_for(scaled((1.0, 0.5)), tmp_path / "state") as machine:
        ready = await machine.until(lambda status: status.phase is Phase.READY, 5.0)
        assert told() == [1.0, 0.5]
        await same_process(machine, scaled((0.25, 0.5)), ready)
        await asyncio.to_thread(traffic.until, lambda: told() == [0.25, 0.5], 10.0, "the scale is another")


async def test_vllms_adapters_and_cache_change_while_it_runs(vllm: Served, tmp_path: Path) -> None:
    lora = tiny_models.write_lora_folder(tmp_path / "lora")
    base = with_options(vllm, enable_lora=True, max_lora_rank=8, allow_runtime_lora_updating=True, server_dev_mode=True)

    def models() -> list[str]:
        assert ready.port is not None
        return [one["id"] for one in json.loads(traffic.fetch(ready.port, "/v1/models")[1])["data"]]

    async with machine_for(base, tmp_path / "state") as machine:
        ready = await machine.until(lambda status: status.phase is Phase.READY, 5.0)
        plain = models()
        await same_process(machine, with_options(base, lora_modules=[f"tales={lora}"]), ready)
        await asyncio.to_thread(traffic.until, lambda: models() == [*plain, "tales"], 60.0, "it is loaded")
        assert ready.port is not None
        assert await asyncio.to_thread(traffic.stream, ready.port, "tales", 4)
        machine.want(with_options(base, lora_modules=[f"tales={lora}", f"lost={tmp_path}/nowhere"]))
        degraded = await machine.until(lambda status: status.phase is Phase.DEGRADED, 60.0)
        assert degraded.reason is not None
        assert degraded.reason.code == "not_changed"
        assert "/v1/load_lora_adapter" in degraded.reason.text
        await same_process(machine, base, ready)
        await asyncio.to_thread(traffic.until, lambda: models() == plain, 60.0, "it is unloaded")
        dialogue = machine.supervisor.serving(NAME)
        assert dialogue is not None
        assert await dialogue.call(dialogue.control.acts[Act.FLUSH_CACHE]) is None
        # On a CPU nothing is given back, and the option is refused at the start: the calls alone are tried.
        sleeps = calls(sleeps=True, dev_mode=True, loras=False)
        assert await dialogue.call(sleeps.acts[Act.SLEEP]) is None
        assert sleeps.asleep is not None
        assert traffic.fetch(ready.port, sleeps.asleep.path)[0] == 200
        assert await dialogue.call(sleeps.acts[Act.WAKE]) is None
        assert await asyncio.to_thread(traffic.stream, ready.port, plain[0], 4)
