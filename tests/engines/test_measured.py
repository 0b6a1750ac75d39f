"""What engines say of their memory, in lines that their builds without a GPU printed or that their source writes."""

from pathlib import Path

import pytest

from engines import registry
from engines.abilities import Measures
from engines.base import Launch
from engines.devices import Slice
from engines.measured import (
    Comparison,
    Measurement,
    MemoryWords,
    Said,
    Taken,
    compared,
    corrected,
    fitting,
    more_of,
    options_of,
    said,
)
from engines.memory import Demand, estimate
from engines.options import options_for
from engines.shape import Attention, Shape

FIXTURES = Path(__file__).parent / "fixtures"
WHOLE = (Slice(gpu_uuid="GPU-1", gpu_index=0),)
SHARED = (Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=20_480),)

# vllm/v1/worker/gpu_model_runner.py, gpu_worker.py and vllm/v1/core/kv_cache_utils.py of 0.32.0
VLLM = """\
(Worker_TP0 pid=7) INFO 11-22 19:29:26 [gpu_model_runner.py:5150] Model loading took 14.99 GiB memory and 3.271000 seconds
(Worker_TP1 pid=8) INFO 11-22 19:29:26 [gpu_model_runner.py:5150] Model loading took 15.03 GiB memory and 3.300000 seconds
(Worker_TP0 pid=7) INFO 11-22 19:29:40 [gpu_worker.py:759] Available KV cache memory: 50.12 GiB
(EngineCore pid=6) INFO 11-22 19:29:40 [kv_cache_utils.py:2327] GPU KV cache size: 410,592 tokens, Maximum concurrency for 8,192 tokens per request: 50.12x
(Worker_TP0 pid=7) INFO 11-22 19:29:52 [gpu_model_runner.py:6582] Graph capturing finished in 12 secs, took 0.52 GiB
(Worker_TP0 pid=7) INFO 11-22 19:29:52 [gpu_worker.py:1034] Free memory on device (78.58/79.19 GiB) on startup. Desired GPU memory utilization is (0.92, 72.85 GiB). Actual usage is 15.31 GiB for consumed memory (weights + non-torch), 1.25 GiB for peak activation, and
"""  # noqa: E501 - as they are printed; the last one is cut where the agent cuts it

# sglang/srt/model_executor/model_runner.py, mem_cache/memory_pool.py and cuda_graph_setup.py of 0.5.23
SGLANG = """\
[2026-11-22 19:29:26] Load weight end. elapsed=3.10 s, type=LlamaForCausalLM, avail mem=62.90 GB, mem usage=15.02 GB.
[2026-11-22 19:29:27] KV Cache is allocated. dtype: torch.bfloat16, #tokens: 404480, K size: 24.69 GB, V size: 24.69 GB
[2026-11-22 19:29:27] Memory pool end. avail mem=13.00 GB
[2026-11-22 19:29:40] Capture target decode CUDA graph end. bs=[1, 2, 4], elapsed=9.01 s, mem usage=0.75 GB, avail mem=12.20 GB.
"""  # noqa: E501

TENSORRT_LLM = (
    "[TRT-LLM] [I] Peak memory during memory usage profiling (torch + non-torch): 18.40 GiB, available KV cache memory "
    "when calculating max tokens: 54.70 GiB, fraction is set 0.9, kv size per token is 131072. device total memory "
    "79.2 GiB"
)

# ggml's CUDA device in the words that build 11434 prints for its CPU
LLAMA_CPP = """\
0.02.010.100 I load_tensors:   CPU_Mapped model buffer size =   281.81 MiB
0.02.010.200 I load_tensors:        CUDA0 model buffer size =  4403.49 MiB
0.02.110.100 I llama_kv_cache:      CUDA0 KV buffer size =  1024.00 MiB
0.02.210.100 I sched_reserve:      CUDA0 compute buffer size =   560.00 MiB
0.02.210.200 I sched_reserve:  CUDA_Host compute buffer size =    24.01 MiB
"""


def launch(engine: str, slices: tuple[Slice, ...], **options: object) -> Launch:
    chosen = options_for(registry.get(engine), options)
    return Launch(instance="a/0", model="m", served_name="m", port=1, options=chosen, slices=slices)


def words(engine: str) -> MemoryWords:
    adapter = registry.get(engine)
    assert isinstance(adapter, Measures)
    return adapter.memory_words


def heard(engine: str, text: str, slices: tuple[Slice, ...] = WHOLE) -> Said | None:
    found: Said | None = None
    for line in text.splitlines():
        found = more_of(found, said(line, launch(engine, slices), words(engine)))
    return found


def test_vllm_says_each_part_and_the_fullest_rank_counts() -> None:
    assert heard("vllm", VLLM) == Said(
        weights_mib=15.03 * 1024, kv_mib=50.12 * 1024, kv_tokens=410_592, graphs_mib=0.52 * 1024,
        activations_mib=1.25 * 1024,
    )  # fmt: skip


def test_sglang_says_its_cache_in_two_halves() -> None:
    assert heard("sglang", SGLANG) == Said(
        weights_mib=15.02 * 1024, kv_mib=2 * 24.69 * 1024, kv_tokens=404_480, graphs_mib=0.75 * 1024
    )


def test_a_bound_that_sglang_reserves_is_no_cache() -> None:
    line = "KV Cache VA upper bound. dtype: torch.bfloat16, #tokens: 900000, K size: 60.00 GB, V size: 60.00 GB"
    assert heard("sglang", line) is None


def test_tensorrt_llms_peak_is_believed_where_it_has_the_gpu_for_itself() -> None:
    assert heard("tensorrt_llm", TENSORRT_LLM) == Said(fixed_mib=18.40 * 1024, kv_mib=54.70 * 1024)
    assert heard("tensorrt_llm", TENSORRT_LLM, SHARED) == Said(kv_mib=54.70 * 1024)


def test_llama_cpp_counts_what_is_on_the_gpu_and_without_one_what_is_on_the_host() -> None:
    assert heard("llama_cpp", LLAMA_CPP) == Said(weights_mib=4403.49, kv_mib=1024.0, activations_mib=560.0)
    recorded = (FIXTURES / "llama_cpp-11434" / "startup_verbose.log").read_text()
    assert heard("llama_cpp", recorded, ()) == Said(weights_mib=1.39, kv_mib=1.0, activations_mib=3.27)
    assert heard("llama_cpp", recorded) is None


def test_vllms_build_without_a_gpu_says_its_cache() -> None:
    recorded = (FIXTURES / "vllm-0.32.0" / "startup.log").read_text()
    assert heard("vllm", recorded, ()) == Said(kv_mib=1024.0, kv_tokens=524_288)


@pytest.mark.parametrize("engine", registry.names())
def test_lines_of_no_memory_say_nothing(engine: str) -> None:
    assert heard(engine, "\nGET /health 200\nKV cache size: many tokens\nModel loading took ages\n") is None


SHAPE = Shape(
    architecture="Llama", weight_bytes=16 * 1024**3, weights_counted=True, dtype_bytes=2, hidden=4096,
    intermediate=14336, vocabulary=128_256, layers=32, context=8192,
    attention=(Attention(layers=32, kept=256, kv_heads=8),),
)  # fmt: skip


def test_only_the_parts_that_were_said_are_compared() -> None:
    chosen = launch("vllm", WHOLE, enforce_eager=True)
    found = compared(SHAPE, chosen, words("vllm"), Said(weights_mib=16_500.2, kv_mib=1.0))
    assert found == Comparison(parts=("weights",), estimated_mib=16_384, measured_mib=16_501)
    assert compared(SHAPE, chosen, words("vllm"), Said(kv_mib=1.0)) is None
    whole = compared(SHAPE, chosen, words("vllm"), Said(fixed_mib=20_000.0))
    assert whole is not None
    assert whole.estimated_mib == estimate(SHAPE, Demand(context=8192, graphs=False)).fixed_mib


def measurement(model: str, gpus: str, measured_mib: int, at_unix_s: float) -> Measurement:
    found = Comparison(parts=("weights",), estimated_mib=16_384, measured_mib=measured_mib)
    return Measurement(
        engine="vllm", version="0.32.0", gpus=gpus, model=model, options={}, 
        taken=Taken(said=Said(), compared=found, at_unix_s=at_unix_s),
    )  # fmt: skip


def test_the_newest_fitting_measurement_corrects_the_next_estimate() -> None:
    kept = [
        measurement("meta-llama/Llama-3.1-8B", "NVIDIA H100", 16_884, 1.0),
        measurement("/models/Llama-3.1-8B/", "NVIDIA H100", 16_984, 2.0),
        measurement("meta-llama/Llama-3.1-8B", "NVIDIA H100, NVIDIA H100", 9_000, 3.0),
        measurement("meta-llama/Llama-3.1-70B", "NVIDIA H100", 99_000, 4.0),
    ]
    found = fitting(kept, "/data/llama-3.1-8b", 1)
    assert [one.taken.at_unix_s for one in found] == [2.0, 1.0]
    before = estimate(SHAPE, Demand(context=8192))
    assert corrected(before, found[0]).fixed_mib == before.fixed_mib + 600


def test_a_measurement_is_kept_by_what_decides_it() -> None:
    told = options_of(launch("vllm", WHOLE, max_model_len=4096, dtype="bfloat16", seed=3), words("vllm"))
    assert told == {"max_model_len": "4096", "dtype": "bfloat16"}
