"""TensorRT-LLM (`trtllm-serve`), by the source of its 1.2 era and of snapshots after it; it was not run.

Where a setting stands both on the command line and in the file, the file wins in 1.2 and the flag later: each is in
one place only. The file's `kv_cache_config` replaces the flag's whole, so all of it is in the file.
"""

import re
from pathlib import PurePath

import msgspec

from engines.abilities import Completion, Liveness, Package, SignalStep
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.control import Act, Control, LiveStep
from engines.launching import flags, local_files, options_given, tensor_parallel, visible_devices
from engines.measured import MemoryWords
from engines.options.tensorrt_llm import DIALS, IN_FILE, SPELLINGS, Options
from engines.steps import step_of
from engines.vocabulary import Vocabulary

_FILE = "llm_args.yaml"
_SUCCESS = "trtllm_request_success_total"

WORDS = Vocabulary(
    totals={
        "prompt_tokens": ("trtllm_prompt_tokens_total",),
        "generation_tokens": ("trtllm_generation_tokens_total",),
        "requests_failed": ("trtllm_request_error_total",),
        "prefix_cache_queries": ("trtllm_prompt_tokens_total",),
        "prefix_cache_hits": ("trtllm_prompt_cached_tokens_total",),
    },
    histograms={
        "ttft": ("trtllm_time_to_first_token_seconds",),
        "e2e": ("trtllm_e2e_request_latency_seconds",),
        "queue": ("trtllm_request_queue_time_seconds",),
    },
    also=(_SUCCESS,),
)

# Log text → step. How weights are told of was not seen.
_STEPS = (
    ("Peak memory during memory usage profiling", "allocating the KV cache"),
    ("Application startup complete", "serving"),
    ("Server state: READY", "serving"),
)

_CACHE = r"available KV cache memory when calculating max tokens: (?P<kv_gib>[\d.]+) GiB"

# One line, by its source; the peak is of the whole GPU, whoever is on it.
MEMORY = MemoryWords(
    lines=(re.compile(_CACHE),),
    alone_lines=(re.compile(rf"usage profiling \(torch \+ non-torch\): (?P<fixed_gib>[\d.]+) GiB, {_CACHE}"),),
    demand={
        "context": "max_seq_len",
        "sequences": "max_batch_size",
        "batched_tokens": "max_num_tokens",
        "kv_bytes": "kv_cache_dtype",
        "tensor_parallel": "tensor_parallel_size",
        "pipeline_parallel": "pipeline_parallel_size",
    },
    also=("dtype",),
)


class _Cache(msgspec.Struct):
    maxNumBlocks: float = 0.0
    usedNumBlocks: float = 0.0


class _Iteration(msgspec.Struct):
    """One step in `GET /metrics`, in its own words. What is read is gone: nobody else may ask."""

    iter: float
    numActiveRequests: float | None = None
    numQueuedRequests: float | None = None
    kvCacheStats: _Cache | None = None


class TensorrtLlm:
    """Drives `trtllm-serve`."""

    name = "tensorrt_llm"
    Options = Options
    absent = {
        "itl": "TensorRT-LLM measures a mean of each request, not the gaps between its tokens",
        "preemptions": "TensorRT-LLM counts no preemptions",
    }
    live: dict[str, str] = {}
    guarded = frozenset({"extra_args", "trust_remote_code", "otlp_traces_endpoint"})
    spellings = SPELLINGS
    memory_words = MEMORY
    dials = DIALS
    package = Package(
        program="trtllm-serve", distribution="tensorrt-llm", module="tensorrt_llm", checked=("1.2", "1.2"),
        installed_mib=20_480,
    )  # fmt: skip

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        values = options_given(options, but=IN_FILE)
        values["tensor_parallel_size"] = tensor_parallel(
            options.tensor_parallel_size, launch.slices, options.pipeline_parallel_size, options.context_parallel_size
        )
        return Command(
            argv=(
                options.program,
                "serve",
                launch.model,
                *flags({"host": launch.host, "port": launch.port, **values}, negations=False, dash="_"),
                "--config",
                str(PurePath(launch.directory) / _FILE),
                *options.extra_args,
            ),
            env={**visible_devices(launch.slices), "TRTLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
            needs_files=(*local_files(launch.model), *(path for path in options.lora_dir if path.startswith("/"))),
            files={_FILE: _llm_args(options)},
        )

    def ready(self, launch: Launch) -> Probe:
        return Probe(
            ready_path="/health", metrics_path="/prometheus/metrics", detail_path="/metrics", load_deadline_s=1800.0
        )

    def sample(self, metrics: str) -> EngineSample:
        page = WORDS.page(metrics)
        finished = page.total(_SUCCESS, without={"finished_reason": "error"})
        reasons = page.by(_SUCCESS, "finished_reason")
        return msgspec.structs.replace(WORDS.sample(page), requests_finished=finished, finish_reasons=reasons)

    def detailed(self, sample: EngineSample, page: str) -> EngineSample:
        try:
            iterations = msgspec.json.decode(page, type=list[_Iteration])
        except msgspec.DecodeError:
            return sample
        if not iterations:  # nothing since the last look: idle, or one long step
            return sample
        last = iterations[-1]
        cache = last.kvCacheStats
        return msgspec.structs.replace(
            sample,
            running=last.numActiveRequests,
            waiting=last.numQueuedRequests,
            iterations=last.iter,
            kv_usage_ratio=cache.usedNumBlocks / cache.maxNumBlocks if cache and cache.maxNumBlocks else None,
        )

    def control(self, options: msgspec.Struct) -> Control:
        return Control(
            absent={
                Act.SLEEP: "its call for it wants a signature in recent versions, and is not checked",
                Act.WAKE: "it does not sleep",
                Act.FLUSH_CACHE: "TensorRT-LLM has no call for it",
            }
        )

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        return ()

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # It takes no new requests, waits for those that are open without a limit, then up to 90 s for its ranks.
        return (SignalStep("SIGTERM", 120.0),)

    def liveness(self, launch: Launch) -> Liveness:
        # It has no name of its own for a model: the last part of a folder, else what it was given.
        model = PurePath(launch.model).name if local_files(launch.model) else launch.model
        body = {"model": model, "prompt": "1", "max_tokens": 1}
        return Liveness(one_token=Completion(path="/v1/completions", body=msgspec.json.encode(body)))

    def progress(self, line: str) -> LoadProgress | None:
        return step_of(line, _STEPS)


def _llm_args(options: Options) -> str:
    """The file, as JSON, which is YAML; without the two switches there are no metrics."""
    keys: dict[str, object] = {"return_perf_metrics": True, "enable_iter_perf_stats": True}
    for name, path in IN_FILE.items():
        value = getattr(options, name)
        if value is None or value == ():
            continue
        group, _, key = path.rpartition(".")
        held = keys.setdefault(group, {}) if group else keys
        assert isinstance(held, dict)
        held[key] = value
    return msgspec.json.format(msgspec.json.encode(keys, order="deterministic")).decode()


ENGINE = TensorrtLlm()
