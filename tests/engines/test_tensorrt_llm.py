"""TensorRT-LLM: its command line and its file, pages with the names of two eras."""

import json
from pathlib import Path

import msgspec

from engines import registry
from engines.abilities import Details, Lives
from engines.base import EngineSample
from engines.devices import Slice
from tests.engines.test_adapters import command, launch

FIXTURES = Path(__file__).parent / "fixtures"
ENGINE = registry.get("tensorrt_llm")
GPUS = tuple(Slice(gpu_uuid=f"GPU-{name}", gpu_index=index) for index, name in enumerate("ab"))


def test_each_setting_is_in_one_place_only() -> None:
    asked = launch(
        "tensorrt_llm", "/models/m", *GPUS, max_batch_size=64, enable_chunked_prefill=True, kv_cache_dtype="fp8",
        free_gpu_memory_fraction=0.5, lora_dir=["/l/a"], tokenizer="a-b",
    )  # fmt: skip
    made = ENGINE.command(msgspec.structs.replace(asked, directory="/state/chat.0"))
    assert made.argv == (
        "trtllm-serve", "serve", "/models/m", "--host", "127.0.0.1", "--port", "8123",
        "--tensor_parallel_size", "2", "--max_batch_size", "64", "--enable_chunked_prefill", "--tokenizer", "a-b",
        "--config", "/state/chat.0/llm_args.yaml",
    )  # fmt: skip
    assert made.needs_files == ("/models/m", "/l/a")
    assert json.loads(made.files["llm_args.yaml"]) == {
        "enable_iter_perf_stats": True,
        "return_perf_metrics": True,
        "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.5},
        "lora_config": {"lora_dir": ["/l/a"]},
    }


def test_the_names_of_1_2_say_how_long_requests_take_and_no_more() -> None:
    sample = ENGINE.sample((FIXTURES / "tensorrt_llm-1.2" / "metrics_of_its_names.txt").read_text())
    assert sample.ttft is not None
    assert sample.e2e is not None
    assert sample.queue is not None
    assert (sample.ttft.count, sample.e2e.count, sample.queue.count) == (7, 7, 7)
    assert (sample.requests_finished, sample.requests_failed) == (7, None)
    assert (sample.running, sample.generation_tokens) == (None, None)


def test_later_names_count_tokens_and_failures() -> None:
    sample = ENGINE.sample((FIXTURES / "tensorrt_llm-1.3" / "metrics_of_its_names.txt").read_text())
    assert (sample.prompt_tokens, sample.generation_tokens, sample.requests_failed) == (700, 1400, 1)
    assert (sample.prefix_cache_queries, sample.prefix_cache_hits) == (700, 64)
    assert sample.finish_reasons == {"stop": 5, "length": 2}
    assert sample.running is None, "it would be the number at the end of the last request"


def test_what_runs_now_is_in_the_newest_step_of_its_other_page() -> None:
    assert isinstance(ENGINE, Details)
    page = json.loads((FIXTURES / "tensorrt_llm-1.2" / "metrics_documented.json").read_text())
    later = {**page[0], "iter": 155, "numActiveRequests": 2, "numQueuedRequests": 5}
    sample = ENGINE.detailed(EngineSample(), json.dumps([*page, later]))
    assert (sample.running, sample.waiting, sample.iterations) == (2, 5, 155)
    assert sample.kv_usage_ratio == 3 / 101256
    assert ENGINE.detailed(EngineSample(), "[]") == EngineSample(), "no step since the last look: nothing is known"


def test_a_model_is_asked_for_by_the_name_that_the_engine_gives_it() -> None:
    assert isinstance(ENGINE, Lives)
    for model, name in (("/models/m", "m"), ("org/model", "org/model")):
        asked = ENGINE.liveness(launch("tensorrt_llm", model)).one_token
        assert asked is not None
        assert json.loads(asked.body)["model"] == name


def test_a_command_without_options() -> None:
    assert command("tensorrt_llm", "org/model").argv[-2:] == ("--config", "llm_args.yaml")
