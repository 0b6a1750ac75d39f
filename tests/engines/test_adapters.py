"""Command lines word by word, recorded pages number by number, recorded logs step by step."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines import registry
from engines.abilities import Details, Lives
from engines.base import BadOptions, Command, EngineSample, Launch, LoadProgress, Progress
from engines.devices import Enforcer, MigSlot, Slice
from engines.fitting import fitted
from engines.options import options_for
from engines.simulated import settings
from engines.simulated_options import SimulatedOptions
from tests.engines.every_option import every_option

FIXTURES = Path(__file__).parent / "fixtures"
VLLM = FIXTURES / "vllm-0.32.0"
LLAMA = FIXTURES / "llama_cpp-11434"
GPU = Slice(gpu_uuid="GPU-a", gpu_index=0)


def launch(name: str, model: str, *slices: Slice, **options: object) -> Launch:
    typed = options_for(registry.get(name), options)
    return Launch(instance="chat/0", model=model, served_name="chat", port=8123, options=typed, slices=slices)


def command(name: str, model: str, *slices: Slice, **options: object) -> Command:
    return registry.get(name).command(launch(name, model, *slices, **options))


def steps(name: str, log: Path) -> list[str]:
    """The steps of a recorded log, without repetition."""
    engine = registry.get(name)
    assert isinstance(engine, Progress)
    found = [progress.step for line in log.read_text().splitlines() if (progress := engine.progress(line))]
    return list(dict.fromkeys(found))


def test_vllm_serve() -> None:
    made = command("vllm", "org/model", GPU, max_model_len=4096, enforce_eager=True, enable_prefix_caching=False)
    assert made.argv == (
        "vllm", "serve", "org/model",
        "--served-model-name", "chat", "--host", "127.0.0.1", "--port", "8123",
        "--tensor-parallel-size", "1", "--max-model-len", "4096", "--no-enable-prefix-caching", "--enforce-eager",
        "--shutdown-timeout", "30",
        "--disable-access-log-for-endpoints", "/health,/metrics,/ping", "--enable-server-load-tracking",
    )  # fmt: skip
    assert made.env == {
        "CUDA_VISIBLE_DEVICES": "GPU-a",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_COLOR": "0",
        "NO_COLOR": "1",
    }


def test_memory_becomes_the_engines_own_share_of_the_gpu() -> None:
    part = msgspec.structs.replace(
        GPU, memory_mib=12_288, memory_enforcer=Enforcer.ENGINE_FLAG, gpu_memory_mib=81_559, memory_limit_mib=16_384
    )
    vllm = registry.get("vllm")
    options = fitted(vllm, {"max_model_len": 4096}, [part])
    assert options == {"max_model_len": 4096, "gpu_memory_utilization": 0.1935}, "of the limit, less one CUDA context"
    made = command("vllm", "org/model", part, **options)
    assert made.argv[made.argv.index("--gpu-memory-utilization") + 1] == "0.1935"
    smaller = msgspec.structs.replace(part, gpu_memory_mib=24_000, gpu_uuid="GPU-b")
    assert fitted(vllm, {}, [smaller])["gpu_memory_utilization"] == 0.6576
    assert fitted(vllm, {}, [smaller, part])["gpu_memory_utilization"] == 0.1935, "one option for all: the least"


def test_sglang_counts_from_what_is_free_when_it_begins() -> None:
    part = Slice(gpu_uuid="GPU-a", gpu_index=0, memory_mib=12_288, memory_enforcer=Enforcer.ENGINE_FLAG,
                 gpu_memory_mib=81_559)  # fmt: skip
    sglang = registry.get("sglang")
    assert fitted(sglang, {}, [part], {"GPU-a": 20_304}) == {"mem_fraction_static": 0.5}
    assert fitted(sglang, {}, [part], {"GPU-b": 20_304}) == {"mem_fraction_static": 0.1244}, "to be checked only"
    assert fitted(sglang, {}, [part], {"GPU-a": 9_000}) == {"mem_fraction_static": 1.0}
    capped = msgspec.structs.replace(part, memory_enforcer=Enforcer.MPS)
    assert fitted(sglang, {}, [capped], {"GPU-a": 80_000}) == {"mem_fraction_static": 0.8261}, "of its limit"
    with pytest.raises(BadOptions):
        fitted(sglang, {"max_total_tokens": 1}, [part])


@pytest.mark.parametrize(
    "changed",
    [{"memory_mib": None}, {"memory_enforcer": Enforcer.NONE}, {"mig": MigSlot(profile="1g.10gb", start=0, size=1)}],
)
def test_an_engine_is_told_of_no_memory_that_nobody_or_the_hardware_holds(changed: dict[str, object]) -> None:
    part = Slice(gpu_uuid="GPU-a", gpu_index=0, memory_mib=9000, memory_enforcer=Enforcer.MPS, gpu_memory_mib=81_559)
    told = msgspec.structs.replace(part, **changed)
    assert fitted(registry.get("vllm"), {"gpu_memory_utilization": 0.5}, [told]) == {"gpu_memory_utilization": 0.5}
    for name, value in (("gpu_memory_utilization", 0.5), ("kv_cache_memory_bytes", 2**34)):
        with pytest.raises(BadOptions):
            fitted(registry.get("vllm"), {name: value}, [part])
    assert fitted(registry.get("llama_cpp"), {}, [part]) == {}


def test_vllm_by_a_python_runs_the_module() -> None:
    made = command("vllm", "/models/m", program="/opt/vllm/bin/python3.12")
    assert made.argv[:5] == (
        "/opt/vllm/bin/python3.12", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/m",
    )  # fmt: skip
    assert made.needs_files == ("/models/m",)
    assert "--tensor-parallel-size" not in made.argv


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ("0.15.1", {"--disable-uvicorn-access-log"}),
        ("0.17.1", {"--disable-access-log-for-endpoints"}),
        ("0.18.0", {"--disable-access-log-for-endpoints", "--shutdown-timeout"}),
        ("0.32.0+cpu", {"--disable-access-log-for-endpoints", "--shutdown-timeout", "--custom-histogram-buckets"}),
        ("", {"--disable-access-log-for-endpoints", "--shutdown-timeout", "--custom-histogram-buckets"}),
    ],
)
def test_vllm_gets_no_flag_that_its_version_does_not_know(version: str, knows: set[str]) -> None:
    asked = msgspec.structs.replace(launch("vllm", "m"), version=version, targets_s={"ttft": (0.3,)})
    later = {
        "--disable-uvicorn-access-log", "--disable-access-log-for-endpoints", "--shutdown-timeout",
        "--custom-histogram-buckets",
    }  # fmt: skip
    assert later & {*registry.get("vllm").command(asked).argv} == knows


def test_vllm_spreads_over_its_gpus_unless_told() -> None:
    two = (GPU, Slice(gpu_uuid="GPU-b", gpu_index=1))
    for options, wanted in (({}, "2"), ({"tensor_parallel_size": 1}, "1"), ({"pipeline_parallel_size": 2}, "1")):
        argv = command("vllm", "m", *two, **options).argv
        assert argv[argv.index("--tensor-parallel-size") + 1] == wanted


def test_vllm_has_targets_among_its_bounds_unless_somebody_chose_his_own() -> None:
    chosen = launch("vllm", "m", custom_histogram_buckets={"inter_token_latency": [0.02]})
    asked = msgspec.structs.replace(chosen, targets_s={"ttft": (0.8, 0.5), "itl": (0.045,), "e2e": (10.0,)})
    argv = registry.get("vllm").command(asked).argv
    told = json.loads(argv[argv.index("--custom-histogram-buckets") + 1])
    assert told.keys() == {"time_to_first_token", "inter_token_latency"}
    assert told["time_to_first_token"][9:13] == [0.5, 0.75, 0.8, 1]
    assert told["inter_token_latency"] == [0.02]
    assert "--custom-histogram-buckets" not in registry.get("vllm").command(launch("vllm", "m")).argv


def test_llama_server_with_a_file() -> None:
    made = command("llama_cpp", "models/m.gguf", GPU, ctx_size=4096, parallel=4, n_gpu_layers="all", flash_attn="on")
    assert made.argv == (
        "llama-server", "--model", "models/m.gguf",
        "--alias", "chat", "--host", "127.0.0.1", "--port", "8123",
        "--ctx-size", "4096", "--parallel", "4", "--n-gpu-layers", "all", "--flash-attn", "on",
        "--metrics", "--no-ui", "--sse-ping-interval", "5",
    )  # fmt: skip
    assert made.needs_files == ("models/m.gguf",)


def test_llama_server_with_a_repository() -> None:
    made = command("llama_cpp", "org/model-GGUF:Q4_K_M")
    assert made.argv[1:3] == ("--hf-repo", "org/model-GGUF:Q4_K_M")
    assert made.needs_files == ()


def test_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUYARD_SIMULATED_DIR", "/run/yard")
    made = command("simulated", "m", GPU, load_seconds=0.5, ignore_sigterm=True)
    assert made.argv[:3] == (sys.executable, "-m", "engines.simulated")
    assert made.argv[made.argv.index("--load-seconds") + 1] == "0.5"
    assert "--ignore-sigterm" in made.argv
    assert made.env["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    assert made.env["GPUYARD_SIMULATED_DIR"] == "/run/yard"


def test_the_simulated_engine_reads_every_option_that_its_adapter_writes() -> None:
    chosen = {name: value for name, value in every_option(registry.get("simulated")).items() if name != "program"}
    nothing: dict[str, Any] = {}
    for options in (nothing, chosen):
        read = settings.read(list(command("simulated", "m", GPU, **options).argv[3:]))
        assert {name: getattr(read, name) for name in chosen} == msgspec.structs.asdict(SimulatedOptions(**options))


def test_vllm_under_load() -> None:
    sample = registry.get("vllm").sample((VLLM / "metrics_under_load.txt").read_text())
    assert sample.ttft is not None
    assert sample.itl is not None
    assert sample.e2e is not None
    assert sample.queue is not None
    assert (sample.running, sample.waiting, sample.requests_finished, sample.requests_failed) == (4, 12, 10, 0)
    assert (sample.prompt_tokens, sample.generation_tokens, sample.preemptions) == (744, 4181, 0)
    assert (sample.prefix_cache_queries, sample.prefix_cache_hits) == (744, 0)
    assert sample.kv_usage_ratio == 0.0019536019536019467
    assert sample.finish_reasons == {"stop": 0, "length": 10, "abort": 0, "error": 0, "repetition": 0}
    assert (sample.ttft.count, sample.ttft.sum_s) == (14, 15.031244039535522)
    assert (sample.itl.count, sample.e2e.count, sample.queue.count) == (4167, 10, 10)
    assert (sample.ttft.bounds_s[0], sample.ttft.bounds_s[-1], len(sample.ttft.counts)) == (0.001, 2560, 23)


def test_vllm_idle_counts_zero_rather_than_nothing() -> None:
    sample = registry.get("vllm").sample((VLLM / "metrics_idle.txt").read_text())
    assert (sample.running, sample.generation_tokens, sample.requests_finished) == (0, 0, 0)
    assert sample.ttft is not None
    assert sample.ttft.count == 0


def test_vllm_takes_the_newest_name_and_falls_back() -> None:
    engine = registry.get("vllm")
    old, new = "vllm:gpu_cache_usage_perc 0.25\n", "vllm:kv_cache_usage_perc 0.75\n"
    assert engine.sample(old).kv_usage_ratio == 0.25
    assert engine.sample(old + new).kv_usage_ratio == 0.75


def test_a_page_of_vllm_0_9_says_what_one_of_0_32_says() -> None:
    page = (VLLM / "metrics_after_load.txt").read_text()
    before = page
    for new, old in {
        "vllm:kv_cache_usage_perc": "vllm:gpu_cache_usage_perc",
        "vllm:prefix_cache_": "vllm:gpu_prefix_cache_",
        "vllm:inter_token_latency_seconds": "vllm:time_per_output_token_seconds",
    }.items():
        assert new in before
        before = before.replace(new, old)
    engine = registry.get("vllm")
    assert engine.sample(before) == engine.sample(page)


def test_vllm_counts_errors_and_rejections_as_failed() -> None:
    page = (
        'vllm:request_success_total{finished_reason="stop"} 5\n'
        'vllm:request_success_total{finished_reason="error"} 2\n'
        'vllm:admission_rejections_total{reason="queue"} 3\n'
    )
    sample = registry.get("vllm").sample(page)
    assert (sample.requests_finished, sample.requests_failed) == (5, 5)


def test_llama_cpp_after_load() -> None:
    sample = registry.get("llama_cpp").sample((LLAMA / "metrics_after_load.txt").read_text())
    assert sample == EngineSample(
        running=3,
        waiting=0,
        prompt_tokens=273,
        generation_tokens=640,
        prefix_cache_queries=273,
        prefix_cache_hits=96,
    )


def test_llama_cpp_has_what_is_in_flight_in_its_slots() -> None:
    engine = registry.get("llama_cpp")
    assert isinstance(engine, Details)
    for page, made, share in (("under_load", 37, 193 / 4096), ("after_load", 358, 475 / 4096), ("idle", 0, 0)):
        found = engine.detailed(EngineSample(running=4), (LLAMA / f"slots_{page}.json").read_text())
        assert (found.running, found.generation_tokens_in_flight, found.kv_usage_ratio) == (4, made, share)
        assert found.prompt_tokens_in_flight == 0, "every prompt has been read, and counted"


def test_a_llama_server_that_may_sleep_is_not_woken() -> None:
    engine = registry.get("llama_cpp")
    assert isinstance(engine, Lives)
    asleep, awake = launch("llama_cpp", "m.gguf", sleep_idle_seconds=60), launch("llama_cpp", "m.gguf")
    assert (engine.ready(awake).detail_path, engine.ready(asleep).detail_path) == ("/slots", None)
    assert engine.liveness(awake).one_token is not None
    assert engine.liveness(asleep).one_token is None


def test_llama_cpp_counts_a_prompt_in_flight_until_its_first_token() -> None:
    engine = registry.get("llama_cpp")
    assert isinstance(engine, Details)
    reading = [
        {"n_ctx": 8, "is_processing": True, "n_prompt_tokens": 6, "n_prompt_tokens_processed": 4, "next_token": []}
    ]
    assert engine.detailed(EngineSample(), json.dumps(reading)).prompt_tokens_in_flight == 4


def test_vllm_startup_log() -> None:
    found = steps("vllm", VLLM / "startup.log")
    assert found[0] == "reading arguments"
    assert found[-1] == "serving"
    assert "loading weights" in found
    assert "allocating the KV cache" in found


def test_vllm_tells_how_much_of_the_weights_it_has() -> None:
    engine = registry.get("vllm")
    assert isinstance(engine, Progress)
    line = "(Worker pid=7) Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:01<00:01,  1.01s/it]"
    assert engine.progress(line) == LoadProgress(step="loading weights", ratio=0.5)


def test_llama_cpp_startup_log() -> None:
    found = steps("llama_cpp", LLAMA / "startup.log")
    assert found == ["loading weights", "weights loaded", "preparing the slots", "model loaded", "serving"]
