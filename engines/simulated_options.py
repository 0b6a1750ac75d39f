"""What the simulated engine can be told: its adapter checks these options, its process reads them as flags."""

import msgspec

from engines.tuning import Knob, batched_tokens, memory_share, sequences


class SimulatedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulated engine is like, memory per GPU, and how it misbehaves."""

    load_seconds: float = 3.0
    """From its start until it serves."""
    weights_mib: int = 16_000
    """What the model takes."""
    kv_cache_mib: int = 16_000
    """What is kept for the KV cache."""
    gpu_memory_utilization: float | None = None
    """vLLM's: the share of each GPU that it takes for model and cache together, in place of `kv_cache_mib`."""
    kv_mib_per_token: float = 0.125
    """What a token takes of it."""
    max_num_seqs: int = 32
    """Sequences in one step."""
    max_num_batched_tokens: int | None = None
    """Tokens in one step, so that a long prompt is read in pieces between the tokens of others; left out, it is read
    whole."""
    max_model_len: int = 8192
    """Tokens of the longest request, prompt and answer."""
    prefill_tok_s: float = 8000.0
    """How fast prompts are read."""
    decode_base_ms: float = 20.0
    """A step with one sequence."""
    decode_per_seq_ms: float = 0.5
    """What each further sequence adds to a step."""
    enable_lora: bool = False
    """It serves LoRA adapters, which come and go while it runs."""
    lora_modules: tuple[str, ...] = ()
    """Adapters as `NAME=PATH`; no file is read."""
    enable_sleep_mode: bool = True
    """It can sleep: it gives its GPU memory back, and takes it again when it is woken."""
    shutdown_timeout: float = 5.0
    """Seconds in which running requests may finish after SIGTERM."""
    seed: int = 0
    """Of the random numbers."""

    hang_after: float | None = None
    """Seconds after it is ready at which it stops making tokens and goes on answering `/health`."""
    crash_after: float | None = None
    """Seconds after it is ready at which it dies with exit code 1."""
    leak_mib_per_s: float = 0.0
    """GPU memory that it takes more and more of."""
    ignore_sigterm: bool = False
    """It does not end when it is asked to."""


DIALS = {
    Knob.SEQUENCES: sequences("max_num_seqs", unset=32),
    Knob.BATCHED_TOKENS: batched_tokens("max_num_batched_tokens"),
    Knob.MEMORY_SHARE: memory_share("gpu_memory_utilization"),
}
