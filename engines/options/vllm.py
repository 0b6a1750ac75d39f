"""vLLM's options, in its own words (`vllm serve --help=all`, 0.32.0). What is left out is vLLM's choice."""

from typing import Literal

import msgspec

from engines.tuning import Knob, batched_tokens, memory_share, sequences


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each one is the flag of its name, but for those of VARIABLES."""

    program: str = "vllm"
    """`vllm` or a path to it; a Python interpreter (its name begins with `python`) runs the API server's module."""

    tensor_parallel_size: int | None = None
    """GPUs that share each layer; left out, all that are given, divided by the next two."""
    pipeline_parallel_size: int | None = None
    """Groups of layers, one after the other."""
    data_parallel_size: int | None = None
    """Replicas of the model behind one port; for mixtures of experts. A dense model gains more from instances."""
    enable_expert_parallel: bool | None = None
    """Experts as wholes over the GPUs, rather than a part of each on all."""

    gpu_memory_utilization: float | None = None
    """Share of a GPU's whole memory that the instance may take; refused at its start when less is free. 0.92."""
    kv_cache_memory_bytes: int | None = None
    """The size of the KV cache per GPU; the share above still has to be free."""
    cpu_offload_gb: float | None = None
    """GiB of weights per GPU that are kept in host memory."""
    kv_offloading_size: float | None = None
    """GiB of host memory for KV cache that has left the GPU."""
    block_size: int | None = None
    """Tokens in one block of the KV cache."""

    max_num_seqs: int | None = None
    """Sequences in one step."""
    max_num_batched_tokens: int | None = None
    """Tokens in one step: larger is more throughput and longer pauses between the tokens of others."""
    max_num_queued_reqs: int | None = None
    """Requests beyond it are answered with 503. New after 0.28."""
    max_model_len: int | Literal["auto"] | None = None
    """Tokens of the longest request, prompt and answer; `auto` is the largest that fits."""
    enable_chunked_prefill: bool | None = None
    """Long prompts in pieces between the tokens of others."""
    enable_prefix_caching: bool | None = None
    """Prompts that begin alike share their KV cache."""
    scheduling_policy: Literal["fcfs", "priority"] | None = None
    """Who is next: whoever came first, or by the priority of the request."""

    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    """Of weights and activations."""
    quantization: str | None = None
    """How the weights are quantized, where the checkpoint does not say."""
    kv_cache_dtype: str | None = None
    """Of the KV cache: `auto`, `fp8`, `fp8_e4m3`, `nvfp4` …"""
    load_format: str | None = None
    """How weights are read; `dummy` makes random ones."""
    enforce_eager: bool | None = None
    """No compilation and no CUDA graphs: up sooner, slower afterwards."""
    max_cudagraph_capture_size: int | None = None
    """The largest batch with a CUDA graph; fewer graphs take less memory and time."""
    seed: int | None = None
    """Of the random numbers."""
    revision: str | None = None
    """Branch, tag or commit of the model's repository."""
    tokenizer: str | None = None
    """Name or path, where it is not the model's."""
    download_dir: str | None = None
    """Where weights from a hub are kept."""
    trust_remote_code: bool | None = None
    """Run code that comes with the model."""

    enable_lora: bool | None = None
    """Serve LoRA adapters."""
    lora_modules: tuple[str, ...] = ()
    """Adapters as `NAME=PATH`."""
    max_loras: int | None = None
    """Different adapters in one step."""
    max_lora_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] | None = None
    """The largest rank of an adapter."""
    max_cpu_loras: int | None = None
    """Adapters that are kept in host memory."""
    allow_runtime_lora_updating: bool | None = None
    """`lora_modules` change without a restart. Whoever reaches the port may then load any adapter on the node."""

    enable_sleep_mode: bool | None = None
    """The instance can sleep: its weights go to host memory, its cache is given back. Needs `server_dev_mode` too."""
    server_dev_mode: bool | None = None
    """vLLM's calls for sleep and for its cache. They are open, one that runs any code among them, to whoever reaches
    the port: every user of the node."""

    chat_template: str | None = None
    """A template's path, or the template."""
    enable_auto_tool_choice: bool | None = None
    """The model may call tools; needs the parser below."""
    tool_call_parser: str | None = None
    """How its calls of tools are read."""
    reasoning_parser: str | None = None
    """How its thoughts are told from its answer."""

    uvicorn_log_level: Literal["critical", "error", "warning", "info", "debug", "trace"] | None = None
    """Of the HTTP server."""
    enable_log_requests: bool | None = None
    """Each request in the log, prompts included."""
    otlp_traces_endpoint: str | None = None
    """Where OpenTelemetry spans are sent."""
    custom_histogram_buckets: dict[str, list[float]] = {}
    """Bounds of histograms in seconds, by family: `time_to_first_token`, `inter_token_latency`, `request_latency`. A
    target among the bounds makes its share exact."""
    shutdown_timeout: int = 30
    """Seconds in which running requests may finish after SIGTERM; vLLM's own choice cuts them off at once."""
    extra_args: tuple[str, ...] = ()
    """Words added as they are, for flags that are not here."""


VARIABLES = {
    "allow_runtime_lora_updating": "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
    "server_dev_mode": "VLLM_SERVER_DEV_MODE",
}
"""Option → what vLLM reads it from."""

SPELLINGS = {
    "-tp": "tensor_parallel_size",
    "-pp": "pipeline_parallel_size",
    "-dp": "data_parallel_size",
    "-ep": "enable_expert_parallel",
    "-q": "quantization",
    "--device-memory-utilization": "gpu_memory_utilization",
    "--model": "give it as the service's `model`",
    "--served-model-name": "it is the model's own name",
    "--host": "engines listen on loopback alone",
    "--port": "give it as the service's `port`",
    "--uds": "engines listen on loopback alone",
    "--api-key": "put it into `env`: `VLLM_API_KEY: {secret: NAME}`",
    "--device-ids": "give `gpus` to the service",
    "--config": "write its keys as options",
    "--disable-access-log-for-endpoints": "the agent's own questions are left out of the log",
    "--enable-server-load-tracking": "it is on",
    "--disable-log-stats": "without its metrics nothing could be shown",
}
"""See engines.options.extra."""

DIALS = {
    Knob.SEQUENCES: sequences("max_num_seqs"),
    Knob.BATCHED_TOKENS: batched_tokens("max_num_batched_tokens"),
    Knob.MEMORY_SHARE: memory_share("gpu_memory_utilization", unset=0.92),
}
"""vLLM chooses the first two by GPU and use (0.32.0)."""
