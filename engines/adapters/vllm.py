"""vLLM, checked against 0.32.0; metric names back to 0.9.

Which release knows which flag was read in the packages 0.9.2, 0.14 to 0.18, 0.24, 0.28, 0.31 and 0.32.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import msgspec

from engines.abilities import Liveness, Package, SignalStep, one_token
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.bounds import with_targets
from engines.control import Control, LiveStep
from engines.devices import Slice
from engines.fitting import ratio_of_gpu
from engines.launching import flags, local_files, named_files, options_given, tensor_parallel, visible_devices
from engines.measured import MemoryWords
from engines.options.vllm import DIALS, SPELLINGS, VARIABLES, Options
from engines.steps import step_of
from engines.versions import at_least
from engines.vllm_calls import calls, lora_steps
from engines.vocabulary import Vocabulary
from engines.words import Words

_BOUNDS_S = {
    "ttft": (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
             2560),
    "itl": (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80),
    "e2e": (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680),
}  # fmt: skip
"""vLLM's own bounds, 0.32.0."""
_QUIET = ("--disable-access-log-for-endpoints", "/health,/metrics,/ping")
_FAMILIES = {"ttft": "time_to_first_token", "itl": "inter_token_latency", "e2e": "request_latency"}

WORDS = Vocabulary(
    totals={
        "running": ("vllm:num_requests_running",),
        "waiting": ("vllm:num_requests_waiting",),
        "prompt_tokens": ("vllm:prompt_tokens_total",),
        "generation_tokens": ("vllm:generation_tokens_total",),
        "preemptions": ("vllm:num_preemptions_total",),
        "prefix_cache_queries": ("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
        "prefix_cache_hits": ("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
    },
    # In spite of its name it is a ratio; with data parallelism there is one a rank.
    peaks={"kv_usage_ratio": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")},
    histograms={
        "ttft": ("vllm:time_to_first_token_seconds",),
        "itl": ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
        "e2e": ("vllm:e2e_request_latency_seconds",),
        "queue": ("vllm:request_queue_time_seconds",),
    },
    also=("vllm:request_success_total", "vllm:admission_rejections_total"),
)

_SHARDS = re.compile(r"checkpoint shards:\s+(\d{1,3})% Completed")

# Log text → step. Lines as vLLM 0.32.0 prints them.
_STEPS = (
    ("non-default args:", "reading arguments"),
    ("Resolved architecture:", "reading the configuration"),
    ("Using max model len", "reading the configuration"),
    ("Initializing a V1 LLM engine", "starting the engine process"),
    ("Starting to load model", "loading weights"),
    ("Loading weights took", "weights loaded"),
    ("Model loading took", "weights loaded"),
    ("Dynamo bytecode transform time", "compiling"),
    ("Compiling a graph", "compiling"),
    ("torch.compile took", "compiled"),
    ("Available KV cache memory:", "allocating the KV cache"),
    ("KV cache size:", "allocating the KV cache"),
    ("Capturing CUDA graphs", "capturing CUDA graphs"),
    ("Graph capturing finished", "CUDA graphs captured"),
    ("init engine (", "engine ready"),
    ("Starting vLLM server", "starting the server"),
    ("Application startup complete", "serving"),
)

# Lines of vllm/v1/worker and vllm/v1/core, 0.32.0; weights and cache are of one GPU each.
MEMORY = MemoryWords(
    lines=(
        re.compile(r"Model loading took (?P<weights_gib>[\d.]+) GiB"),
        re.compile(r"Available KV cache memory: (?P<kv_gib>[\d.]+) GiB"),
        re.compile(r"KV cache size: (?P<kv_tokens>[\d,]+) tokens"),
        re.compile(r"Graph capturing finished in .* took (?P<graphs_gib>[\d.]+) GiB"),
        re.compile(r"\(weights \+ non-torch\), (?P<activations_gib>[\d.]+) GiB for peak activation"),
    ),
    host_lines=(
        re.compile(r"[sS]et \((?P<kv_gib>[\d.]+)/[\d.]+\) GiB for KV cache"),
        re.compile(r"KV cache size: (?P<kv_tokens>[\d,]+) tokens"),
    ),
    demand={
        "context": "max_model_len",
        "sequences": "max_num_seqs",
        "batched_tokens": "max_num_batched_tokens",
        "kv_bytes": "kv_cache_dtype",
        "tensor_parallel": "tensor_parallel_size",
        "pipeline_parallel": "pipeline_parallel_size",
    },
    eager="enforce_eager",
    also=("dtype", "quantization"),
)


class Vllm:
    """Drives `vllm serve`."""

    name = "vllm"
    served_name_option = "served_model_name"
    Options = Options
    absent: dict[str, str] = {}
    live = {"lora_modules": "POST /v1/load_lora_adapter, /v1/unload_lora_adapter"}
    guarded = frozenset({"extra_args", "trust_remote_code", "otlp_traces_endpoint", *VARIABLES})
    key_variable = "VLLM_API_KEY"
    spellings = SPELLINGS
    words = Words(
        begins=(("vllm", "serve"), ("-m", "vllm.entrypoints.openai.api_server")),
        takes_model_bare=True,
        served=frozenset({"--served-model-name"}),
        port=8000,
        host="0.0.0.0",
        unsaid={"shutdown_timeout": 0},
        ours={_QUIET[0]: 1, "--disable-uvicorn-access-log": 0, "--enable-server-load-tracking": 0},
        variables={name: f"--{option.replace('_', '-')}" for option, name in VARIABLES.items()},
        environment=("VLLM_",),
    )
    memory_words = MEMORY
    dials = DIALS
    memory_options = ("gpu_memory_utilization", "kv_cache_memory_bytes")
    package = Package(
        program="vllm", distribution="vllm", module="vllm", checked=("0.32", "0.32"), installed_mib=10_240
    )

    def fit(self, slices: Sequence[Slice], free_mib: Mapping[str, int]) -> float:
        # A share of the whole GPU, also under MPS; what CUDA itself takes comes on top.
        return ratio_of_gpu(slices)

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        python = PurePath(options.program).name.startswith("python")
        how = ("-m", "vllm.entrypoints.openai.api_server", "--model") if python else ("serve",)
        values = options_given(options, but=VARIABLES)
        values["tensor_parallel_size"] = tensor_parallel(
            options.tensor_parallel_size, launch.slices, options.pipeline_parallel_size, options.data_parallel_size
        )
        bounds = with_targets(_BOUNDS_S, launch.targets_s)
        if at_least(launch.version, 0, 32):  # else a share is told as a range
            told = {_FAMILIES[field]: list(among) for field, among in bounds.items()}
            values["custom_histogram_buckets"] = told | options.custom_histogram_buckets
        if not at_least(launch.version, 0, 18):  # which stops at once, and would not start with the flag
            del values["shutdown_timeout"]
        address = {"served_model_name": launch.served_name, "host": launch.host, "port": launch.port}
        return Command(
            argv=(
                options.program,
                *how,
                launch.model,
                *flags(address),
                *flags(values),
                *(_QUIET if at_least(launch.version, 0, 16) else ("--disable-uvicorn-access-log",)),
                "--enable-server-load-tracking",
                *options.extra_args,
            ),
            env={
                **visible_devices(launch.slices),
                "VLLM_NO_USAGE_STATS": "1",
                "VLLM_DO_NOT_TRACK": "1",
                "DO_NOT_TRACK": "1",
                "VLLM_LOGGING_COLOR": "0",
                "NO_COLOR": "1",
                **{name: "1" for option, name in VARIABLES.items() if getattr(options, option)},
            },
            needs_files=(*local_files(launch.model), *named_files(options.lora_modules)),
        )

    def ready(self, launch: Launch) -> Probe:
        # A cold compile cache or a large checkpoint takes many minutes.
        return Probe(ready_path="/health", metrics_path="/metrics", load_deadline_s=1800.0)

    def sample(self, metrics: str) -> EngineSample:
        page = WORDS.page(metrics)
        errors = page.where("vllm:request_success_total", "finished_reason", "error")
        rejected = page.total("vllm:admission_rejections_total")  # since 0.29
        known = [number for number in (errors, rejected) if number is not None]
        return msgspec.structs.replace(
            WORDS.sample(page),
            requests_finished=page.total("vllm:request_success_total", without={"finished_reason": "error"}),
            requests_failed=sum(known) if known else None,
            finish_reasons=page.by("vllm:request_success_total", "finished_reason"),
        )

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # One SIGTERM: it lets requests finish for `shutdown_timeout`; a saturated API server hears it late.
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        return (SignalStep("SIGTERM", options.shutdown_timeout + 15.0),)

    def control(self, options: msgspec.Struct) -> Control:
        given = msgspec.convert(options, Options, from_attributes=True)
        several = (given.data_parallel_size or 1) > 1  # API servers, each with its own list of adapters
        return calls(
            sleeps=bool(given.enable_sleep_mode),
            dev_mode=bool(given.server_dev_mode),
            loras=bool(given.enable_lora and given.allow_runtime_lora_updating and not several),
        )

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        return lora_steps(old, new)

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness(one_token=one_token(launch))

    def progress(self, line: str) -> LoadProgress | None:
        if shards := _SHARDS.search(line):
            return LoadProgress(step="loading weights", ratio=min(1.0, int(shards[1]) / 100))
        return step_of(line, _STEPS)


ENGINE = Vllm()
