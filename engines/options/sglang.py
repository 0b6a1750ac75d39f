"""SGLang's options, in its own words (`sglang serve`, 0.5.23). What is left out is SGLang's choice."""

from typing import Literal

import msgspec

from engines.tuning import Knob, batched_tokens, memory_share, sequences


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each one is the flag of its name."""

    program: str = "sglang"
    """`sglang` or a path to it; a Python interpreter (its name begins with `python`) runs the server's module."""

    tp_size: int | None = None
    """GPUs that share each layer; left out, all that are given, divided by the next two."""
    pp_size: int | None = None
    """Groups of layers, one after the other."""
    dp_size: int | None = None
    """Replicas of the model behind one port."""
    attn_dp_size: int | None = None
    """Groups within the tensor-parallel GPUs that each have their own attention and KV cache."""
    ep_size: int | None = None
    """GPUs over which the experts are spread."""

    mem_fraction_static: float | None = None
    """Weights and KV cache, as a share of what was free when this instance began. Nothing refuses a share too large."""
    max_total_tokens: int | None = None
    """The size of the KV cache in tokens."""
    enable_memory_saver: bool | None = None
    """GPU memory can be let go of and taken back while it runs."""
    enable_weights_cpu_backup: bool | None = None
    """The weights that were let go of come back from host memory."""
    cuda_graph_max_bs_decode: int | None = None
    """The largest batch with a CUDA graph; fewer graphs take less memory and time."""

    max_running_requests: int | None = None
    """Sequences in one step."""
    max_queued_requests: int | None = None
    """Requests beyond it are refused."""
    chunked_prefill_size: int | None = None
    """Tokens of a prompt that are taken in one step; -1 takes it whole."""
    max_prefill_tokens: int | None = None
    """Tokens of all prompts in one step. 16384."""
    schedule_policy: Literal[
        "lpm", "random", "fcfs", "dfs-weight", "lof", "priority", "routing-key", "hrrn", "shortest-prefill-first"
    ] | None = None  # fmt: skip
    """Who is next: `fcfs` whoever came first, `lpm` the longest prefix that is cached …"""
    context_length: int | None = None
    """Tokens of the longest request, prompt and answer."""
    disable_radix_cache: bool | None = None
    """Prompts that begin alike no longer share their KV cache."""

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Of weights and activations."""
    quantization: str | None = None
    """How the weights are quantized, where the checkpoint does not say."""
    kv_cache_dtype: Literal[
        "auto", "fp8_e5m2", "fp8_e4m3", "mxfp8", "bf16", "bfloat16", "nvfp4", "fp4_mx_block16"
    ] | None = None  # fmt: skip
    """Of the KV cache."""
    load_format: str | None = None
    """How weights are read; `dummy` makes random ones."""
    attention_backend: str | None = None
    """Which attention kernels."""
    random_seed: int | None = None
    """Of the random numbers."""
    revision: str | None = None
    """Branch, tag or commit of the model's repository."""
    tokenizer_path: str | None = None
    """Name or path, where it is not the model's."""
    download_dir: str | None = None
    """Where weights from a hub are kept."""
    trust_remote_code: bool | None = None
    """Run code that comes with the model."""
    is_embedding: bool | None = None
    """A causal model serves embeddings."""

    enable_lora: bool | None = None
    """Serve LoRA adapters."""
    lora_paths: tuple[str, ...] = ()
    """Adapters as `NAME=PATH`."""
    max_loras_per_batch: int | None = None
    """Different adapters in one step. 8."""
    max_loaded_loras: int | None = None
    """Adapters that are kept in host memory."""
    max_lora_rank: int | None = None
    """The largest rank of an adapter; left out, that of `lora_paths`."""
    lora_target_modules: tuple[str, ...] = ()
    """Modules that adapters may change; left out, those of `lora_paths`."""

    chat_template: str | None = None
    """A built-in name, or a template's path."""
    tool_call_parser: str | None = None
    """How the model's calls of tools are read."""
    reasoning_parser: str | None = None
    """How its thoughts are told from its answer."""

    log_level: Literal["critical", "error", "warning", "info", "debug"] | None = None
    """Of the engine."""
    log_level_http: Literal["critical", "error", "warning", "info", "debug"] | None = None
    """Of the HTTP server."""
    log_requests: bool | None = None
    """Each request in the log."""
    log_requests_level: Literal[0, 1, 2, 3] | None = None
    """How much of it: 0 none of its text, 3 all."""
    bucket_time_to_first_token: tuple[float, ...] = ()
    """Bounds of the TTFT histogram in seconds. A target among the bounds makes its share exact."""
    bucket_inter_token_latency: tuple[float, ...] = ()
    """Bounds of the ITL histogram in seconds."""
    bucket_e2e_request_latency: tuple[float, ...] = ()
    """Bounds of the E2E histogram in seconds."""
    watchdog_timeout: float | None = None
    """Seconds after which a step that does not end makes SGLang kill itself. 300."""
    sleep_on_idle: bool | None = None
    """Without requests the scheduler sleeps rather than looks on and on."""
    extra_args: tuple[str, ...] = ()
    """Words added as they are, for flags that are not here."""


SPELLINGS = {
    "--tensor-parallel-size": "tp_size",
    "--pipeline-parallel-size": "pp_size",
    "--data-parallel-size": "dp_size",
    "--attention-data-parallel-size": "attn_dp_size",
    "--expert-parallel-size": "ep_size",
    "--ep": "ep_size",
    "--model": "give it as the service's `model`",
    "--model-path": "give it as the service's `model`",
    "--served-model-name": "it is the model's own name",
    "--host": "engines listen on loopback alone",
    "--port": "give it as the service's `port`",
    "--api-key": "SGLang takes a key from its command line alone, where every user of the node reads it",
    "--admin-api-key": "SGLang takes a key from its command line alone, where every user of the node reads it",
    "--config": "write its keys as options",
    "--base-gpu-id": "give `gpus` to the service",
    "--gpu-id-step": "give `gpus` to the service",
    "--enable-metrics": "it is on",
    "--uvicorn-access-log-exclude-prefixes": "the agent's own questions are left out of the log",
}
"""See engines.options.extra."""

DIALS = {
    Knob.SEQUENCES: sequences("max_running_requests"),
    Knob.BATCHED_TOKENS: batched_tokens("chunked_prefill_size"),
    Knob.MEMORY_SHARE: memory_share("mem_fraction_static", most=0.9),
}
"""SGLang chooses all of them by the GPU. Activations and graphs come on top of its share (0.5.23)."""
