"""llama.cpp's options, in `llama-server`'s own words (`--help` of build 11434). What is left out is its choice."""

from typing import Literal

import msgspec

from engines.tuning import Knob, batched_tokens, sequences

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each one is the flag of its name. Quantization of the weights is the file's own."""

    program: str = "llama-server"
    """`llama-server` or a path to it."""

    ctx_size: int | None = None
    """Tokens of all slots together; left out, the server shrinks it silently to what fits. 0 is the model's."""
    parallel: int | None = None
    """Slots: requests at a time. `ctx_size` is shared out among them unless `kv_unified`."""
    kv_unified: bool | None = None
    """One KV cache for all slots rather than an equal part for each."""
    batch_size: int | None = None
    """Tokens of a prompt that are taken in one step. 2048."""
    ubatch_size: int | None = None
    """Tokens that are computed at a time. 512."""
    cont_batching: bool | None = None
    """New requests join those that run."""

    n_gpu_layers: int | Literal["auto", "all"] | None = None
    """Layers in GPU memory."""
    split_mode: Literal["none", "layer", "row", "tensor"] | None = None
    """How several GPUs share the model: by layers (a pipeline), or each layer by `row` or `tensor`."""
    tensor_split: tuple[float, ...] = ()
    """Proportions of the GPUs, `[3, 1]`."""
    main_gpu: int | None = None
    """The first among the instance's own GPUs, from 0."""
    n_cpu_moe: int | None = None
    """Layers whose experts stay in host memory."""
    fit: Literal["on", "off"] | None = None
    """Whether what is left out is shrunk to the memory that is free."""
    fit_target: int | None = None
    """MiB per GPU that `fit` leaves free. 1024."""
    flash_attn: Literal["on", "off", "auto"] | None = None
    """Needed for a quantized `cache_type_v`."""

    cache_type_k: CacheType | None = None
    """Of the keys in the KV cache."""
    cache_type_v: CacheType | None = None
    """Of the values in the KV cache."""
    cache_prompt: bool | None = None
    """Prompts that begin alike share their KV cache."""
    cache_reuse: int | None = None
    """Shortest piece that is reused by shifting it."""
    cache_ram: int | None = None
    """MiB of host memory for the prompt cache; llama.cpp's own choice is 8192."""

    lora: tuple[str, ...] = ()
    """Paths of adapters, applied at scale 1."""
    lora_scaled: tuple[str, ...] = ()
    """Adapters as `PATH:SCALE`."""
    lora_init_without_apply: bool | None = None
    """Adapters are loaded and not applied until they are asked for."""

    threads: int | None = None
    """CPU threads for tokens."""
    threads_batch: int | None = None
    """CPU threads for prompts."""
    load_mode: Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"] | None = None
    """How the file is read: mapped, held in memory, or past the page cache."""
    embeddings: bool | None = None
    """An embedding model: nothing else is served."""
    reranking: bool | None = None
    """A reranking model."""
    pooling: Literal["none", "mean", "cls", "last", "rank"] | None = None
    """How an embedding model makes one vector of many."""
    mmproj: str | None = None
    """Path of the projector of a model that sees or hears."""
    jinja: bool | None = None
    """Chat templates by the Jinja engine."""
    chat_template: str | None = None
    """One of the built-in names, or a template."""
    seed: int | None = None
    """Of the random numbers."""

    log_verbosity: Literal[0, 1, 2, 3, 4, 5] | None = None
    """1 errors, 2 warnings, 3 info, 5 everything."""
    sleep_idle_seconds: int | None = None
    """After so long without a request the model is unloaded; the next one loads it again. The agent then looks less
    closely, so as not to wake it: tokens are told when a request ends, and a frozen one is not noticed."""
    extra_args: tuple[str, ...] = ()
    """Words added as they are, for flags that are not here."""


SPELLINGS = {
    "-c": "ctx_size",
    "-np": "parallel",
    "-kvu": "kv_unified",
    "-no-kvu": "kv_unified",
    "-b": "batch_size",
    "-ub": "ubatch_size",
    "-cb": "cont_batching",
    "-nocb": "cont_batching",
    "-ngl": "n_gpu_layers",
    "--gpu-layers": "n_gpu_layers",
    "-sm": "split_mode",
    "-ts": "tensor_split",
    "-mg": "main_gpu",
    "-ncmoe": "n_cpu_moe",
    "-fit": "fit",
    "-fitt": "fit_target",
    "-fa": "flash_attn",
    "-ctk": "cache_type_k",
    "-ctv": "cache_type_v",
    "-cram": "cache_ram",
    "-t": "threads",
    "-tb": "threads_batch",
    "-lm": "load_mode",
    "--embedding": "embeddings",
    "--rerank": "reranking",
    "-mm": "mmproj",
    "-s": "seed",
    "-lv": "log_verbosity",
    "--verbosity": "log_verbosity",
    "-m": "give it as the service's `model`",
    "--model": "give it as the service's `model`",
    "-hf": "give it as the service's `model`",
    "-hfr": "give it as the service's `model`",
    "--hf-repo": "give it as the service's `model`",
    "-a": "it is the model's own name",
    "--alias": "it is the model's own name",
    "--host": "engines listen on loopback alone",
    "--port": "give it as the service's `port`",
    "--reuse-port": "give it as the service's `port`",
    "--api-prefix": "the agent asks at /",
    "--api-key": "put it into `env`: `LLAMA_API_KEY: {secret: NAME}`",
    "-dev": "give `gpus` to the service",
    "--device": "give `gpus` to the service",
    "--metrics": "it is on",
    "--slots": "it is on",
    "--ui": "it is off",
    "--webui": "it is off",
    "--sse-ping-interval": "a stop waits for it",
    "--log-file": "the agent keeps the log",
    "--log-jsonl": "the agent reads the log as lines",
}
"""See engines.options.extra."""

DIALS = {
    Knob.SEQUENCES: sequences("parallel", note="`ctx_size` is shared out among the slots, unless `kv_unified`"),
    Knob.BATCHED_TOKENS: batched_tokens("ubatch_size", unset=512),
}
"""Its KV cache is as large as `ctx_size` says: no share of the GPU decides it."""
