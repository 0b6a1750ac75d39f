"""SGLang, checked against 0.5.23; metric names back to 0.4."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import msgspec

from engines.abilities import Liveness, Package, SignalStep, one_token
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.bounds import with_targets
from engines.control import Act, Call, Control, LiveStep, module_steps
from engines.devices import Enforcer, Slice
from engines.fitting import CONTEXT_MIB, ratio_of_gpu
from engines.launching import flags, local_files, named_files, options_given, tensor_parallel, visible_devices
from engines.measured import MemoryWords
from engines.options.sglang import DIALS, SPELLINGS, Options
from engines.prometheus import Page
from engines.steps import step_of
from engines.versions import at_least
from engines.vocabulary import Vocabulary

_LIVE_TOKENS = "sglang:realtime_tokens_total"
_PREFIXES = "sglang:prefill_effective_tokens_total"
_ANSWERS = "sglang:http_responses_total"

_BOUNDS_S = {
    "ttft": (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400),
    "itl": (0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 0.6,
            0.8, 1, 2, 4, 6, 8),
    "e2e": (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400, 600, 1200, 1800, 2400),
}  # fmt: skip
"""SGLang's own bounds, 0.5.23."""
_BUCKETS = {
    "ttft": "bucket_time_to_first_token",
    "itl": "bucket_inter_token_latency",
    "e2e": "bucket_e2e_request_latency",
}

WORDS = Vocabulary(
    totals={
        "running": ("sglang:num_running_reqs",),
        "waiting": ("sglang:num_queue_reqs",),
        "prompt_tokens": ("sglang:prompt_tokens_total",),
        "generation_tokens": ("sglang:generation_tokens_total",),
        "requests_finished": ("sglang:num_requests_total",),
        "preemptions": ("sglang:num_retracted_requests_total", "sglang:total_retracted_reqs"),
        "prefix_cache_queries": ("sglang:prompt_tokens_total",),
        "prefix_cache_hits": ("sglang:cached_tokens_total",),
    },
    peaks={"kv_usage_ratio": ("sglang:token_usage",)},
    histograms={
        "ttft": ("sglang:time_to_first_token_seconds",),
        "itl": ("sglang:inter_token_latency_seconds",),
        "e2e": ("sglang:e2e_request_latency_seconds",),
        "queue": ("sglang:queue_time_seconds",),
    },
    also=(_LIVE_TOKENS, _PREFIXES, _ANSWERS),
)

_QUIET = ("--uvicorn-access-log-exclude-prefixes", "/health", "/metrics")
_PERCENT = re.compile(r"(Loading \w+ checkpoint shards|loading shards|Capturing batches \(.*\)):\s+(\d{1,3})%")
_GRAPHS = "capturing CUDA graphs"

_ACTIVATIONS_MIB = 1536
"""What SGLang itself keeps for activations and graphs where it sizes the cache last (0.5.23)."""

# Log text → step. From the source of 0.5.23.
_STEPS = (
    ("server_args=", "reading arguments"),
    ("Init parallel begin", "starting the engine processes"),
    ("Memory baseline taken", "starting the engine processes"),
    ("Load weight begin", "loading weights"),
    ("Load weight end", "weights loaded"),
    ("Memory pool end", "allocating the KV cache"),
    ("KV cache allocated", "allocating the KV cache"),
    ("CUDA graph begin", _GRAPHS),
    ("CUDA graph end", "CUDA graphs captured"),
    ("Application startup complete", "warming up"),
    ("fired up and ready to roll", "serving"),
)

# Lines of sglang/srt, 0.5.23; its GB are 2**30. A pool that is sized after the capture says a bound first.
MEMORY = MemoryWords(
    lines=(
        re.compile(r"Load weight end\..* mem usage=(?P<weights_gib>[\d.]+) GB"),
        re.compile(r"Capture .* end\..* mem usage=(?P<graphs_gib>[\d.]+) GB"),
        re.compile(
            r"allocated\..* #tokens: (?P<kv_tokens>\d+), K size: (?P<k_gib>[\d.]+) GB, V size: (?P<v_gib>[\d.]+) GB"
        ),
        re.compile(r"allocated\..* #tokens: (?P<kv_tokens>\d+), KV size: (?P<kv_gib>[\d.]+) GB"),
    ),
    demand={
        "context": "context_length",
        "sequences": "max_running_requests",
        "batched_tokens": "chunked_prefill_size",
        "kv_bytes": "kv_cache_dtype",
        "tensor_parallel": "tp_size",
        "pipeline_parallel": "pp_size",
    },
    also=("dtype", "quantization"),
)


class Sglang:
    """Drives `sglang serve`."""

    name = "sglang"
    served_name_option = "served_model_name"
    Options = Options
    absent = {"finish_reasons": "SGLang does not count why requests end"}
    live = {
        "log_level": "POST /configure_logging",
        "log_requests": "POST /configure_logging",
        "lora_paths": "POST /load_lora_adapter, /unload_lora_adapter",
    }
    guarded = frozenset({"extra_args", "trust_remote_code"})
    spellings = SPELLINGS
    memory_words = MEMORY
    dials = DIALS
    memory_options = ("mem_fraction_static", "max_total_tokens")
    package = Package(
        program="sglang", distribution="sglang", module="sglang", checked=("0.5.23", "0.5.23"), installed_mib=12_288
    )

    def fit(self, slices: Sequence[Slice], free_mib: Mapping[str, int]) -> float:
        # Weights and cache as a share of what is free when it begins; activations and graphs come on top.
        # Under MPS no more than its limit is free to it (CUDA, cudaMemGetInfo).
        seen = dict(free_mib)
        for part in slices:
            if part.memory_enforcer is Enforcer.MPS and part.gpu_uuid in seen:
                seen[part.gpu_uuid] = min(seen[part.gpu_uuid], part.memory_limit_mib or part.memory_mib or 0)
        return ratio_of_gpu(slices, CONTEXT_MIB + _ACTIVATIONS_MIB, seen)

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        python = PurePath(options.program).name.startswith("python")
        values = options_given(options)
        values["tp_size"] = tensor_parallel(options.tp_size, launch.slices, options.pp_size, options.dp_size)
        for field, among in with_targets(_BOUNDS_S, launch.targets_s).items():
            values[_BUCKETS[field]] = values[_BUCKETS[field]] or among
        address = {"served_model_name": launch.served_name, "host": launch.host, "port": launch.port}
        return Command(
            argv=(
                options.program,
                *(("-m", "sglang.launch_server") if python else ("serve",)),
                *flags({"model_path": launch.model, **address}),
                *flags(values, negations=False),
                "--enable-metrics",
                *(_QUIET if at_least(launch.version, 0, 5, 8) else ()),
                *options.extra_args,
            ),
            # Its `/health` would make a token at each question: that is asked for apart, and seldom.
            env={**visible_devices(launch.slices), "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0", "NO_COLOR": "1"},
            needs_files=(*local_files(launch.model), *named_files(options.lora_paths)),
        )

    def ready(self, launch: Launch) -> Probe:
        # 503 until its own warm-up is over; `/ready` says the same, but only since 0.5.23.
        return Probe(ready_path="/health", metrics_path="/metrics", load_deadline_s=1800.0)

    def sample(self, metrics: str) -> EngineSample:
        page = WORDS.page(metrics)
        sample = msgspec.structs.replace(WORDS.sample(page), requests_failed=_failed(page))
        if _LIVE_TOKENS in page:  # the others move only when a request ends
            computed, cached = (page.where(_LIVE_TOKENS, "mode", f"prefill_{how}") for how in ("compute", "cache"))
            sample = msgspec.structs.replace(
                sample,
                generation_tokens=page.where(_LIVE_TOKENS, "mode", "decode") or 0.0,
                prompt_tokens=(computed or 0.0) + (cached or 0.0),
            )
        if (asked := page.total(_PREFIXES)) is not None:
            missed = page.where(_PREFIXES, "mode", "input") or 0.0
            sample = msgspec.structs.replace(sample, prefix_cache_queries=asked, prefix_cache_hits=asked - missed)
        return sample

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # It looks for the signal every 5 s, then waits for its requests without a limit, and 15 s for its schedulers.
        return (SignalStep("SIGTERM", 30.0),)

    def control(self, options: msgspec.Struct) -> Control:
        given = msgspec.convert(options, Options, from_attributes=True)
        # Weights that it let go of without a copy would have to be read anew.
        kept = given.enable_memory_saver and given.enable_weights_cpu_backup
        sleep = {Act.SLEEP: _post("/release_memory_occupation"), Act.WAKE: _post("/resume_memory_occupation")}
        why = "needs the options `enable_memory_saver` and `enable_weights_cpu_backup`"
        return Control(
            acts={**(sleep if kept else {}), Act.FLUSH_CACHE: Call(path="/flush_cache?timeout=10", timeout_s=30.0)},
            absent={} if kept else dict.fromkeys(sleep, why),
            live=dict.fromkeys(_LOGGING) | ({"lora_paths": None} if _may_load(given) else {}),
        )

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        logged = [
            LiveStep(
                call=_post("/configure_logging", {name: default if value is None else value}), option=name, value=value
            )
            for name, default in _LOGGING.items()
            if (value := getattr(new, name)) != getattr(old, name)
        ]
        return (*logged, *module_steps("lora_paths", old, new, _load, _unload))

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness(one_token=one_token(launch))

    def progress(self, line: str) -> LoadProgress | None:
        if bar := _PERCENT.search(line):
            step = _GRAPHS if bar[1].startswith("Capturing") else "loading weights"
            return LoadProgress(step=step, ratio=min(1.0, int(bar[2]) / 100))
        return step_of(line, _STEPS)


_LOGGING: Mapping[str, object] = {"log_level": "info", "log_requests": False}
"""What can be changed while it runs, with SGLang's own choice (0.5.23)."""


def _may_load(options: Options) -> bool:
    """Without both of them it sizes its buffers by the adapters that it starts with."""
    return bool(options.enable_lora and options.max_lora_rank and options.lora_target_modules)


def _post(path: str, body: Mapping[str, object] | None = None) -> Call:
    return Call(path=path, body=msgspec.json.encode(body or {}))


def _load(name: str, path: str) -> Call:
    return _post("/load_lora_adapter", {"lora_name": name, "lora_path": path})


def _unload(name: str, path: str) -> Call:
    return _post("/unload_lora_adapter", {"lora_name": name})


def _failed(page: Page) -> float | None:
    """Answers of 5xx to requests for tokens; None where it counts no answers, which is before 0.5.18."""
    if _ANSWERS not in page:
        return None
    return sum(
        count
        for labels, count in page.series(_ANSWERS)
        if labels.get("status_code", "").startswith("5")
        and labels.get("endpoint", "").startswith(("/v1/", "/generate"))
    )


ENGINE = Sglang()
