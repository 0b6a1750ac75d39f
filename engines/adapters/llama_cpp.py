"""llama.cpp's server, checked against build 11434."""

import re

import msgspec

from engines.abilities import Liveness, Package, SignalStep, one_token
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.control import Act, Call, Control, LiveStep
from engines.launching import flags, local_files, options_given, visible_devices
from engines.measured import MemoryWords
from engines.options.llama_cpp import DIALS, SPELLINGS, Options
from engines.steps import step_of
from engines.vocabulary import Vocabulary
from engines.words import Words

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
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

# Build 11434 prints them from `log_verbosity: 4` on. Buffers are of a device each, the host's are called CPU or …_Host.
_HOST = r"\b(?:CPU\w*|\w+_Host)"
_DEVICE = rf"(?!{_HOST})\b\w+"
_BUFFERS = {"weights": "load_tensors: +{} model", "kv": "llama_kv_cache.*: +{} KV", "activations": ": +{} compute"}


def _buffers(device: str) -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile(rf"{text.format(device)} buffer size = +(?P<{part}_mib>[\d.]+) MiB")
        for part, text in _BUFFERS.items()
    )


MEMORY = MemoryWords(
    lines=_buffers(_DEVICE),
    host_lines=_buffers(_HOST),
    demand={"batched_tokens": "ubatch_size", "kv_bytes": "cache_type_k", "sequences": "parallel"},
    defaults={"batched_tokens": 512},
    also=("ctx_size", "cache_type_v"),
)


class _Made(msgspec.Struct):
    n_decoded: float = 0.0


class _Slot(msgspec.Struct):
    """One slot in `GET /slots`, in its own words: `n_prompt_tokens` has the tokens made in it too."""

    n_ctx: float = 0.0
    is_processing: bool = False
    n_prompt_tokens: float = 0.0
    n_prompt_tokens_processed: float = 0.0
    next_token: list[_Made] = []

    @property
    def made(self) -> float:
        return sum(one.n_decoded for one in self.next_token)


class LlamaCpp:
    """Drives `llama-server`."""

    name = "llama_cpp"
    served_name_option = "alias"
    Options = Options
    absent = {
        "requests_finished": "llama.cpp counts no requests",
        "requests_failed": "llama.cpp counts no failures",
        "finish_reasons": "llama.cpp counts no requests",
        "preemptions": "llama.cpp never preempts a request",
        "ttft": _NO_HISTOGRAM,
        "itl": _NO_HISTOGRAM,
        "e2e": _NO_HISTOGRAM,
        "queue": _NO_HISTOGRAM,
    }
    live = {"lora_scaled": "POST /lora-adapters"}
    guarded = frozenset({"extra_args"})
    key_variable = "LLAMA_API_KEY"
    spellings = SPELLINGS
    words = Words(
        begins=(("llama-server",),),
        model=frozenset({"-m", "--model", "-hf", "-hfr", "--hf-repo"}),
        served=frozenset({"-a", "--alias"}),
        port=8080,
        ours={"--metrics": 0, "--no-ui": 0, "--slots": 0, "--sse-ping-interval": 1},
        commas=True,
        # Each flag has one; these say what no profile leaves to its `env`. A flag wins (tools/server/README.md).
        variables={
            "LLAMA_ARG_HOST": "--host",
            "LLAMA_ARG_PORT": "--port",
            "LLAMA_ARG_MODEL": "--model",
            "LLAMA_ARG_HF_REPO": "--hf-repo",
            "LLAMA_ARG_ALIAS": "--alias",
        },
        environment=("LLAMA_",),
    )
    memory_words = MEMORY
    dials = DIALS
    # A build is told by its number: `version: 11434 (…)`.
    package = Package(program="llama-server", checked=("11434", "11434"), prints=r"version: b?(\d+)")

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
        # A scrape waits behind the decode step in progress. A look at the slots would wake one that may sleep.
        detail_path = None if _may_sleep(launch) else "/slots"
        return Probe(
            ready_path="/health",
            metrics_path="/metrics",
            detail_path=detail_path,
            load_deadline_s=900.0,
            timeout_s=10.0,
        )

    def sample(self, metrics: str) -> EngineSample:
        page = WORDS.page(metrics)
        sample = WORDS.sample(page)
        if sample.prompt_tokens is None or sample.prefix_cache_hits is None:
            return sample
        # llama.cpp counts cached tokens apart; our prompt tokens are all that were asked.
        asked = sample.prompt_tokens + sample.prefix_cache_hits
        return msgspec.structs.replace(sample, prompt_tokens=asked, prefix_cache_queries=asked)

    def detailed(self, sample: EngineSample, page: str) -> EngineSample:
        """The tokens of a request are counted when it ends; until then its slot has them."""
        try:
            slots = msgspec.json.decode(page, type=list[_Slot])
        except msgspec.DecodeError:
            return sample
        busy = [slot for slot in slots if slot.is_processing]
        room = sum(slot.n_ctx for slot in slots)
        return msgspec.structs.replace(
            sample,
            # A prompt is counted once it is read, at the first token.
            prompt_tokens_in_flight=sum(slot.n_prompt_tokens_processed for slot in busy if not slot.made),
            generation_tokens_in_flight=sum(slot.made for slot in busy),
            kv_usage_ratio=sum(slot.n_prompt_tokens for slot in busy) / room if room else None,
        )

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]:
        # With a request in flight the first one only stops decoding, and it waits for the client; the second forces.
        return (SignalStep("SIGTERM", 15.0), SignalStep("SIGTERM", 5.0))

    def control(self, options: msgspec.Struct) -> Control:
        given = msgspec.convert(options, Options, from_attributes=True)
        scaled = _scaled(given)
        may = not given.lora_init_without_apply and len(scaled) == len(given.lora_scaled)
        return Control(
            absent={
                Act.SLEEP: "llama.cpp sleeps by itself, after `sleep_idle_seconds`",
                Act.WAKE: "llama.cpp wakes by itself, with the next request",
                Act.FLUSH_CACHE: "llama.cpp has no call for it",
            },
            # Adapters are loaded at the start alone; only how much they count is changed.
            live={"lora_scaled": [path for path, _ in scaled]} if may else {},
        )

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        before, after = (msgspec.convert(one, Options, from_attributes=True) for one in (old, new))
        if before.lora_scaled == after.lora_scaled:
            return ()
        # By their place on the command line, all of them: one that is left out would be set to 0.
        scales = [1.0] * len(after.lora) + [scale for _, scale in _scaled(after)]
        body = msgspec.json.encode([{"id": at, "scale": scale} for at, scale in enumerate(scales)])
        return (LiveStep(call=Call(path="/lora-adapters", body=body), option="lora_scaled", value=after.lora_scaled),)

    def liveness(self, launch: Launch) -> Liveness:
        return Liveness() if _may_sleep(launch) else Liveness(one_token=one_token(launch))

    def progress(self, line: str) -> LoadProgress | None:
        return step_of(line, _STEPS)


def _scaled(options: Options) -> list[tuple[str, float]]:
    """Path and scale, of those that have both; the server refuses the others."""
    pairs = [one.rpartition(":") for one in options.lora_scaled]
    return [(path, float(scale)) for path, _, scale in pairs if path and _NUMBER.fullmatch(scale)]


def _may_sleep(launch: Launch) -> bool:
    options = msgspec.convert(launch.options, Options, from_attributes=True)
    return (options.sleep_idle_seconds or -1) > 0


ENGINE = LlamaCpp()
