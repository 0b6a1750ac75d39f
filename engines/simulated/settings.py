"""What one simulated engine is like: its command line."""

import argparse
import os

import msgspec

from engines.simulated_device import DIRECTORY_VARIABLE


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Memory is per GPU; `gpus` are UUIDs. The meaning of each option is the adapter's."""

    model: str
    port: int
    served_model_name: str = ""
    instance: str | None = None
    host: str = "127.0.0.1"
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
    crash_after: float | None = None
    leak_mib_per_s: float = 0.0
    ignore_sigterm: bool = False
    gpus: tuple[str, ...] = ()
    directory: str | None = None

    @property
    def name(self) -> str:
        return self.served_model_name or self.model


def read(arguments: list[str]) -> Settings:
    """Settings from flags, CUDA_VISIBLE_DEVICES and the simulated directory's variable; exits 2 on a bad flag."""
    parser = argparse.ArgumentParser(prog="python -m engines.simulated", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--ignore-sigterm", action="store_true")
    for name in ("served-model-name", "instance", "host"):
        parser.add_argument(f"--{name}")
    for name in ("weights-mib", "kv-cache-mib", "max-num-seqs", "max-model-len", "seed"):
        parser.add_argument(f"--{name}", type=int)
    for name in (
        "load-seconds", "kv-mib-per-token", "prefill-tok-s", "decode-base-ms", "decode-per-seq-ms",
        "shutdown-timeout", "hang-after", "crash-after", "leak-mib-per-s",
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=float)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    given["gpus"] = tuple(uuid for uuid in visible.split(",") if uuid)
    return Settings(**given, directory=os.environ.get(DIRECTORY_VARIABLE) or None)
