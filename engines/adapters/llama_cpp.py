"""llama.cpp's server, checked against build 11434."""

from typing import Literal

import msgspec

from engines.abilities import Liveness, SignalStep, one_token
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.launching import flags, local_files, visible_devices
from engines.vocabulary import Vocabulary

_NO_HISTOGRAM = "llama.cpp measures no latency distribution"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """llama.cpp's own words; what is left out is its own choice.

    `program` is `llama-server` or a path to it. `ctx_size` is shared out among the `parallel` slots;
    left out, the server shrinks the context silently to what fits.
    """

    program: str = "llama-server"
    ctx_size: int | None = None
    parallel: int | None = None
    n_gpu_layers: int | Literal["auto", "all"] | None = None
    split_mode: Literal["none", "layer", "row", "tensor"] | None = None
    batch_size: int | None = None
    ubatch_size: int | None = None
    threads: int | None = None
    flash_attn: Literal["on", "off", "auto"] | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    cache_ram: int | None = None
    """MiB of host memory for the prompt cache; llama.cpp's own default is 8192."""
    seed: int | None = None


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

    def command(self, launch: Launch) -> Command:
        options = msgspec.convert(launch.options, Options, from_attributes=True)
        values = {name: value for name, value in msgspec.structs.asdict(options).items() if name != "program"}
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
            ),
            env=visible_devices(launch.slices),
            needs_files=files,
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

    def live(self, old: Launch, new: Launch) -> bool:
        return old == new

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # With a request in flight the first one only stops decoding, and it waits for the client; the second forces.
        return (SignalStep("SIGTERM", 15.0), SignalStep("SIGTERM", 5.0))

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness(one_token=one_token(launch), detail_path="/slots")

    def progress(self, line: str) -> LoadProgress | None:
        step = next((step for text, step in _STEPS if text in line), None)
        return LoadProgress(step=step) if step else None


ENGINE = LlamaCpp()
