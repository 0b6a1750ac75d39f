"""TensorRT-LLM's options, in the words of `trtllm-serve` 1.2 and of its file. What is left out is its choice."""

from typing import Literal

import msgspec

from engines.tuning import Knob, batched_tokens, memory_share, sequences


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flags, then keys of the file, see IN_FILE. How the weights are quantized is the checkpoint's own."""

    program: str = "trtllm-serve"
    """`trtllm-serve` or a path to it."""

    tensor_parallel_size: int | None = None
    """GPUs that share each layer; left out, all that are given, divided by the next two."""
    pipeline_parallel_size: int | None = None
    """Groups of layers, one after the other."""
    context_parallel_size: int | None = None
    """GPUs that share a long prompt."""
    moe_expert_parallel_size: int | None = None
    """GPUs over which the experts are spread."""
    max_batch_size: int | None = None
    """Sequences in one step."""
    max_num_tokens: int | None = None
    """Tokens in one step."""
    max_seq_len: int | None = None
    """Tokens of the longest request, prompt and answer."""
    enable_chunked_prefill: bool | None = None
    """Long prompts in pieces between the tokens of others."""
    num_postprocess_workers: int | None = None
    """Processes that turn tokens into answers."""
    tokenizer: str | None = None
    """Name or path, where it is not the model's."""
    revision: str | None = None
    """Branch, tag or commit of the model's repository."""
    trust_remote_code: bool | None = None
    """Run code that comes with the model."""
    chat_template: str | None = None
    """A template's path, or the template."""
    reasoning_parser: str | None = None
    """How the model's thoughts are told from its answer."""
    tool_parser: str | None = None
    """How its calls of tools are read."""
    log_level: Literal["internal_error", "error", "warning", "info", "verbose", "debug", "trace"] | None = None
    """Of the engine."""
    otlp_traces_endpoint: str | None = None
    """Where OpenTelemetry spans are sent."""

    enable_attention_dp: bool | None = None
    """Attention is replicated rather than shared among the tensor-parallel GPUs."""
    free_gpu_memory_fraction: float | None = None
    """KV cache as a share of what is free beside weights and activations; other processes count as used. 0.9."""
    kv_cache_max_tokens: int | None = None
    """The size of the KV cache in tokens; the smaller of both wins."""
    kv_cache_dtype: str | None = None
    """Of the KV cache: `auto`, `fp8` …"""
    enable_block_reuse: bool | None = None
    """Prompts that begin alike share their KV cache."""
    host_cache_size: int | None = None
    """Bytes of host memory for KV cache that has left the GPU."""
    tokens_per_block: int | None = None
    """Tokens in one block of the KV cache."""
    cuda_graph_max_batch_size: int | None = None
    """The largest batch with a CUDA graph."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] | None = None
    """Of weights and activations."""
    load_format: Literal["auto", "dummy"] | None = None
    """How weights are read; `dummy` makes random ones."""
    lora_dir: tuple[str, ...] = ()
    """Paths of LoRA adapters; a request names its own."""
    max_lora_rank: int | None = None
    """The largest rank of an adapter."""
    max_loras: int | None = None
    """Adapters in GPU memory."""
    max_cpu_loras: int | None = None
    """Adapters that are kept in host memory."""
    print_iter_log: bool | None = None
    """Each step in the log."""
    extra_args: tuple[str, ...] = ()
    """Words added as they are, for flags that are not here."""


IN_FILE = {
    "enable_attention_dp": "enable_attention_dp",
    "free_gpu_memory_fraction": "kv_cache_config.free_gpu_memory_fraction",
    "kv_cache_max_tokens": "kv_cache_config.max_tokens",
    "kv_cache_dtype": "kv_cache_config.dtype",
    "enable_block_reuse": "kv_cache_config.enable_block_reuse",
    "host_cache_size": "kv_cache_config.host_cache_size",
    "tokens_per_block": "kv_cache_config.tokens_per_block",
    "cuda_graph_max_batch_size": "cuda_graph_config.max_batch_size",
    "dtype": "dtype",
    "load_format": "load_format",
    "lora_dir": "lora_config.lora_dir",
    "max_lora_rank": "lora_config.max_lora_rank",
    "max_loras": "lora_config.max_loras",
    "max_cpu_loras": "lora_config.max_cpu_loras",
    "print_iter_log": "print_iter_log",
}
"""Option → its key in the file."""

SPELLINGS = {
    "--tp-size": "tensor_parallel_size",
    "--pp-size": "pipeline_parallel_size",
    "--cp-size": "context_parallel_size",
    "--ep-size": "moe_expert_parallel_size",
    "--kv-cache-free-gpu-memory-fraction": "free_gpu_memory_fraction",
    "--host": "engines listen on loopback alone",
    "--port": "give it as the service's `port`",
    "--config": "write its keys as options",
    "--extra-llm-api-options": "write its keys as options",
    "--gpus-per-node": "give `gpus` to the service",
}
"""See engines.options.extra."""

DIALS = {
    Knob.SEQUENCES: sequences("max_batch_size"),
    Knob.BATCHED_TOKENS: batched_tokens("max_num_tokens"),
    Knob.MEMORY_SHARE: memory_share("free_gpu_memory_fraction", unset=0.9),
}
"""Its share is of what weights and activations leave free."""
