"""What the simulated engine can be told: its adapter checks these options, its process reads them as flags."""

import msgspec


class SimulatedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulated engine is like; memory is per GPU. The last four make it misbehave.

    A decode step takes `decode_base_ms` and `decode_per_seq_ms` more for each sequence in the batch.
    """

    load_seconds: float = 3.0
    weights_mib: int = 16_000
    kv_cache_mib: int = 16_000
    kv_mib_per_token: float = 0.125
    max_num_seqs: int = 32
    max_model_len: int = 8192
    prefill_tok_s: float = 8000.0
    decode_base_ms: float = 20.0
    decode_per_seq_ms: float = 0.5
    shutdown_timeout: float = 5.0
    seed: int = 0
    hang_after: float | None = None
    """Seconds after it is ready at which it stops making tokens and goes on answering `/health`."""
    crash_after: float | None = None
    """Seconds after it is ready at which it dies with exit code 1."""
    leak_mib_per_s: float = 0.0
    ignore_sigterm: bool = False
