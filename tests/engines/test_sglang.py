"""SGLang: its command line word by word, pages of two versions, and a log in the words of its source."""

from pathlib import Path

import msgspec
import pytest

from engines import registry
from engines.abilities import Stops
from engines.base import LoadProgress, Progress
from engines.devices import Slice
from tests.engines.test_adapters import command, launch

FIXTURES = Path(__file__).parent / "fixtures"
ENGINE = registry.get("sglang")
GPUS = tuple(Slice(gpu_uuid=f"GPU-{name}", gpu_index=index) for index, name in enumerate("abcd"))


def test_the_command_line() -> None:
    made = command(
        "sglang", "org/model", *GPUS, pp_size=2, context_length=8192, disable_radix_cache=False, log_requests=True,
        lora_paths=["a=/l/a", "b=org/b"], bucket_time_to_first_token=[0.5, 0.8],
    )  # fmt: skip
    assert made.argv == (
        "sglang", "serve", "--model-path", "org/model",
        "--served-model-name", "chat", "--host", "127.0.0.1", "--port", "8123",
        "--tp-size", "2", "--pp-size", "2", "--context-length", "8192", "--lora-paths", "a=/l/a", "b=org/b",
        "--log-requests", "--bucket-time-to-first-token", "0.5", "0.8",
        "--enable-metrics", "--uvicorn-access-log-exclude-prefixes", "/health", "/metrics",
    )  # fmt: skip
    assert made.env["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b,GPU-c,GPU-d"
    assert made.needs_files == ("/l/a",)


def test_a_python_runs_the_module() -> None:
    assert command("sglang", "/models/m", program="/opt/sglang/bin/python3").argv[1:3] == ("-m", "sglang.launch_server")


def test_rates_come_from_the_counters_that_move_at_once() -> None:
    sample = ENGINE.sample((FIXTURES / "sglang-0.5.23" / "metrics_of_its_collector.txt").read_text())
    assert (sample.running, sample.waiting, sample.kv_usage_ratio) == (3, 2, 0.25)
    assert (sample.prompt_tokens, sample.generation_tokens) == (512, 900)
    assert (sample.prefix_cache_queries, sample.prefix_cache_hits) == (512, 112)
    assert (sample.requests_finished, sample.requests_failed) == (4, 1), "the agent's own questions are no failures"
    assert sample.ttft is not None
    assert sample.itl is not None
    assert sample.e2e is not None
    assert sample.queue is not None
    assert (sample.ttft.count, sample.itl.count, sample.e2e.count, sample.queue.count) == (4, 20, 4, 1)
    assert sample.ttft.bounds_s[:3] == (0.1, 0.2, 0.4)


def test_an_older_page_gives_what_is_in_it() -> None:
    sample = ENGINE.sample((FIXTURES / "sglang-0.4" / "metrics_documented.txt").read_text())
    assert (sample.running, sample.waiting, sample.kv_usage_ratio) == (162, 2826, 0.28)
    assert (sample.prompt_tokens, sample.generation_tokens) == (8128902, 7557572)
    assert (sample.requests_failed, sample.itl, sample.queue) == (None, None, None)


def test_the_steps_of_a_start() -> None:
    assert isinstance(ENGINE, Progress)
    said = {
        "[2026-08-20 10:00:01] server_args={'model_path': 'm'}": LoadProgress(step="reading arguments"),
        "[… TP0] Init parallel begin.": LoadProgress(step="starting the engine processes"),
        "[… TP0] Load weight begin. avail mem=78.12 GB": LoadProgress(step="loading weights"),
        "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:00<00:01]": LoadProgress(
            step="loading weights", ratio=0.25
        ),
        "Multi-thread loading shards:  50% Completed | 2/4": LoadProgress(step="loading weights", ratio=0.5),
        "[… TP0] Load weight end. elapsed=3.10 s, type=LlamaForCausalLM, avail mem=63.00 GB": LoadProgress(
            step="weights loaded"
        ),
        "[… TP0] Memory pool end. avail mem=9.21 GB": LoadProgress(step="allocating the KV cache"),
        "Capturing batches (bs=8 avail_mem=9.02 GB):  40%|####": LoadProgress(step="capturing CUDA graphs", ratio=0.4),
        "[…] The server is fired up and ready to roll!": LoadProgress(step="serving"),
        "[…] Decode batch, #running-req: 4, gen throughput (token/s): 812.4": None,
    }
    assert {line: ENGINE.progress(line) for line in said} == said


def test_it_ends_by_one_signal_that_is_heard_late() -> None:
    assert isinstance(ENGINE, Stops)
    assert [(step.signal, step.wait_s) for step in ENGINE.stop(launch("sglang", "m"))] == [("SIGTERM", 30.0)]


def test_targets_are_among_the_bounds_unless_somebody_chose_his_own() -> None:
    asked = launch("sglang", "m", bucket_e2e_request_latency=[1.0])
    asked = msgspec.structs.replace(asked, targets_s={"ttft": (0.8,), "itl": (0.05,), "e2e": (30.0,)})
    argv = ENGINE.command(asked).argv
    assert "--bucket-time-to-first-token" not in argv, "0.8 is one of them already"
    at = argv.index("--bucket-inter-token-latency")
    assert argv[at + 11 : at + 15] == ("0.04", "0.05", "0.06", "0.08")
    assert argv[argv.index("--bucket-e2e-request-latency") + 1] == "1.0"


@pytest.mark.parametrize(("version", "knows"), [("0.5.7", False), ("0.5.8", True), ("", True)])
def test_an_older_version_gets_no_flag_that_it_does_not_know(version: str, knows: bool) -> None:
    asked = msgspec.structs.replace(launch("sglang", "m"), version=version)
    assert ("--uvicorn-access-log-exclude-prefixes" in ENGINE.command(asked).argv) is knows
