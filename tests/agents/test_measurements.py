"""What engines took of memory: heard while they load, compared with an estimate, kept across agents."""

import json
from pathlib import Path

import pytest

from agents.events import EventLog
from agents.instances.measurements import KEPT, Measurements
from engines.adapters.vllm import ENGINE as VLLM
from engines.devices import Slice
from engines.measured import Comparison, Measurement, Said, Taken
from profiles.observed.status import Phase
from tests.fakes.supervised import Agent, FakeEngine, spec

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
}  # fmt: skip
LINE = "Model loading took 15.50 GiB memory and 3.2 seconds"
GPU = (Slice(gpu_uuid="GPU-1", gpu_index=0),)


def measured(model: str) -> Measurement:
    taken = Taken(said=Said(kv_mib=1.0))
    return Measurement(engine="vllm", version="0.32.0", gpus="H100", model=model, options={}, taken=taken)


@pytest.fixture
def talking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "memory_words", VLLM.memory_words, raising=False)


async def test_what_an_engine_took_is_compared_shown_and_kept(agent: Agent, talking: None, tmp_path: Path) -> None:
    model = tmp_path / "llama-8b"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(CONFIG))
    agent.set(spec(model=str(model), slices=GPU, options={"extra_args": ["--log", LINE]}))
    ready = await agent.until_phase(Phase.READY)
    assert ready.memory is not None
    assert ready.memory.said == Said(weights_mib=15.5 * 1024)
    assert ready.memory.compared == Comparison(parts=("weights",), estimated_mib=15_317, measured_mib=15_872)
    assert [one.taken for one in agent.supervisor.measurements.all()] == [ready.memory]

    await agent.kill()
    agent.start()
    again = await agent.until_phase(Phase.READY)
    assert (again.pid, again.memory) == (ready.pid, ready.memory)
    assert [one.taken for one in agent.supervisor.measurements.all()] == [ready.memory]


async def test_without_the_models_files_there_is_no_comparison(agent: Agent, talking: None) -> None:
    agent.set(spec(model="nobody/has-this", slices=GPU, options={"extra_args": ["--log", LINE]}))
    ready = await agent.until_phase(Phase.READY)
    assert ready.memory is not None
    assert (ready.memory.said.weights_mib, ready.memory.compared) == (15_872, None)


async def test_a_model_whose_files_make_no_sense_serves_all_the_same(
    agent: Agent, talking: None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"intermediate_size": "wide"}))
    agent.set(spec(model=str(tmp_path), slices=GPU, options={"extra_args": ["--log", LINE]}))
    ready = await agent.until_phase(Phase.READY)
    assert ready.memory is not None
    assert ready.memory.compared is None


async def test_an_engine_that_says_nothing_of_memory_is_not_measured(agent: Agent, talking: None) -> None:
    agent.set(spec())
    assert (await agent.until_phase(Phase.READY)).memory is None
    assert agent.supervisor.measurements.all() == ()


def test_the_newest_of_a_kind_is_kept_and_the_file_is_bounded(tmp_path: Path) -> None:
    path, events = tmp_path / "measurements.json", EventLog(tmp_path / "events.jsonl")
    kept = Measurements(path, events)
    for number in [*range(KEPT + 1), 1]:
        kept.remember(measured(f"m{number}"))
    found = [one.model for one in Measurements(path, events).all()]
    assert (len(found), found[0], found[-1]) == (KEPT, "m2", "m1")


def test_a_damaged_file_is_told_of_and_begun_anew(tmp_path: Path) -> None:
    path, events = tmp_path / "measurements.json", EventLog(tmp_path / "events.jsonl")
    path.write_bytes(b"{torn")
    kept = Measurements(path, events)
    assert kept.all() == ()
    (event,) = events.after(0, 9)
    assert (event.code, "measurements.json cannot be read" in event.text) == ("state_damaged", True)
    kept.remember(measured("m"))
    assert Measurements(path, events).all() == (measured("m"),)
