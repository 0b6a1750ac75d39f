"""llama.cpp's server, checked against build 11434."""

import msgspec

from engines.abilities import Liveness, SignalStep, one_token
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.launching import flags, local_files, options_given, visible_devices
from engines.options.llama_cpp import SPELLINGS, Options
from engines.vocabulary import Vocabulary

_NO_NEGATION = frozenset({"embeddings", "reranking", "lora_init_without_apply"})
_NO_HISTOGRAM = "llama.cpp measures no latency distribution"


WORDS = Vocabulary(
    totals={
        "running": ("llamacpp:requests_processing",),
        "waiting": ("llamacpp:requests_deferred",),
        "prompt_tokens": ("llamacpp:prompt_tokens_total",),
        "generation_tokens": ("llamacpp:tokens_predicted_total",),
        "prefix_cache_hits": ("llamacpp:prompt_tokens_cached_total",),
    },
)

# Log text → step, as build 11434 prints it; it gives no percentage.
_STEPS = (
    ("load_model: loading model", "loading weights"),
    ("llama threadpool init", "weights loaded"),
    ("initializing, n_slots", "preparing the slots"),
    ("model loaded", "model loaded"),
    ("listening on http", "serving"),
)


class LlamaCpp:
    """Drives `llama-server`."""

    name = "llama_cpp"
    Options = Options
    absent = {
        "kv_usage_ratio": "llama.cpp no longer reports the use of its cache",
        "requests_finished": "llama.cpp counts no requests",
        "requests_failed": "llama.cpp counts no failures",
        "preemptions": "llama.cpp never preempts a request",
        "ttft": _NO_HISTOGRAM,
        "itl": _NO_HISTOGRAM,
        "e2e": _NO_HISTOGRAM,
        "queue": _NO_HISTOGRAM,
    }
    live = {"lora": "POST /lora-adapters", "lora_scaled": "POST /lora-adapters"}
    guarded = frozenset({"extra_args"})
    key_variable = "LLAMA_API_KEY"
    spellings = SPELLINGS

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        values = options_given(options)
        values |= {name: value or None for name, value in values.items() if name in _NO_NEGATION}
        values |= {name: ",".join(f"{part}" for part in value) or None
                   for name, value in values.items() if isinstance(value, tuple)}  # fmt: skip
        files = local_files(launch.model)
        return Command(
            argv=(
                options.program,
                "--model" if files else "--hf-repo",
                launch.model,
                *flags({"alias": launch.served_name, "host": launch.host, "port": launch.port}),
                *flags(values),
                "--metrics",
                "--no-ui",
                "--sse-ping-interval",
                "5",
                *options.extra_args,
            ),
            env=visible_devices(launch.slices),
            needs_files=(*files, *options.lora, *(one.rpartition(":")[0] or one for one in options.lora_scaled)),
        )

    def ready(self, launch: Launch) -> Probe:
        # A scrape waits behind the decode step in progress.
        return Probe(ready_path="/health", metrics_path="/metrics", load_deadline_s=900.0, timeout_s=10.0)

    def sample(self, metrics: str) -> EngineSample:
        page = WORDS.page(metrics)
        sample = WORDS.sample(page)
        if sample.prompt_tokens is None or sample.prefix_cache_hits is None:
            return sample
        # llama.cpp counts cached tokens apart; our prompt tokens are all that were asked.
        asked = sample.prompt_tokens + sample.prefix_cache_hits
        return msgspec.structs.replace(sample, prompt_tokens=asked, prefix_cache_queries=asked)

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # With a request in flight the first one only stops decoding, and it waits for the client; the second forces.
        return (SignalStep("SIGTERM", 15.0), SignalStep("SIGTERM", 5.0))

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness(one_token=one_token(launch), detail_path="/slots")

    def progress(self, line: str) -> LoadProgress | None:
        step = next((step for text, step in _STEPS if text in line), None)
        return LoadProgress(step=step) if step else None


ENGINE = LlamaCpp()
