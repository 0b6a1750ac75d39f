"""From an engine's last words to what went wrong, what to do about it, and whether a new try could end otherwise.

    the end of a log ──diagnose──► Diagnosis: the Failure that it tells of, and the words that tell

One table for all engines, most telling first: they share libraries, so they share their last words. Its rows were seen
in the logs of tests/engines/fixtures/failures. What no row knows is told by its line alone.
"""

import re
from collections.abc import Sequence

import msgspec


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """`says` are patterns of lines. `retry` false: the same start would end the same way, until somebody changes it."""

    code: str
    cause: str
    advice: str
    retry: bool = False
    says: tuple[str, ...]


class Diagnosis(msgspec.Struct, frozen=True):
    failure: Failure
    line: str


TOLD_TO_END = Failure(
    code="told_to_end",
    cause="a signal told it to end",
    advice="see who sent it: somebody in a shell, or a unit of the host",
    retry=True,
    says=(r"\[shutdown\] API server: shutdown triggered",),
)
"""vLLM 0.32 says so at INFO. What its parts cry out afterwards is of the end, not of its cause."""

FAILURES = (
    Failure(
        code="disk_full",
        cause="a disk is full",
        advice="make room where models and caches are kept: `df -h`",
        retry=True,
        says=("No space left on device", "Disk quota exceeded"),
    ),
    Failure(
        code="model_gated",
        cause="the model's owner has not let this account in",
        advice="ask for access on its page, and give a token: `env: {HF_TOKEN: {secret: NAME}}`",
        says=("GatedRepoError", "access a gated repo", "Cannot access gated repo"),
    ),
    Failure(
        code="port_taken",
        cause="its port is taken",
        advice="see who listens there: `ss -ltnp`",
        retry=True,
        says=(
            "Address already in use",
            "couldn't bind HTTP server socket",
            "Failed to bind socket to",
            "is used by a process already",
        ),
    ),
    Failure(
        code="bad_option",
        cause="the engine refuses an option",
        advice="correct it in `options`, or leave it out",
        says=(
            "unrecognized arguments:",
            "error: argument ",
            "invalid argument: -",
            "error while handling argument",
            "No such option",
            "Invalid value for ",
        ),
    ),
    Failure(
        code="remote_code",
        cause="the model brings code of its own, which may not run",
        advice="an admin may set `trust_remote_code: true` once somebody has read it",
        says=("trust_remote_code=True", "contains custom code which must be executed"),
    ),
    Failure(
        code="model_not_cached",
        cause="the model is not on the node, and the engine may not fetch it",
        advice="copy it there and name its path, or let the node reach the hub (`HF_HUB_OFFLINE`)",
        says=("LocalEntryNotFoundError", "outgoing traffic has been disabled", "couldn't connect to .* to load"),
    ),
    Failure(
        code="hub_unreachable",
        cause="the model's hub does not answer",
        advice="see the node's network and proxy",
        retry=True,
        says=("Could not establish connection", "Failed to resolve '", "Max retries exceeded", "429 Client Error"),
    ),
    Failure(
        code="lora_broken",
        cause="a LoRA adapter cannot be loaded",
        advice="see its path, and that it was made of this model",
        says=("failed to load lora adapter", "LoRAAdapterNotFoundError", "Loading lora .* failed", "No adapter found"),
    ),
    Failure(
        code="model_not_found",
        cause="there is no such model",
        advice="correct `model`, or copy its files to the node",
        says=(
            "RepositoryNotFoundError",
            "Repository Not Found",
            "failed to open GGUF file .*No such file",
            "is not a local folder and is not a valid model identifier",
            "does not appear to have a file named config",
            "path_model, and file must be defined",
        ),
    ),
    Failure(
        code="model_broken",
        cause="the model's files are damaged, or no model",
        advice="fetch them again, and compare their sizes",
        says=("invalid magic characters", "corrupted or incomplete", "SafetensorError", "Error while deserializing"),
    ),
    Failure(
        code="weights_missing",
        cause="the model's folder has no weights",
        advice="copy its `*.safetensors` files too",
        says=("Cannot find any model weights",),
    ),
    Failure(
        code="tokenizer_missing",
        cause="the model's folder has no tokenizer",
        advice="copy its `tokenizer*` files too",
        says=("Can't load tokenizer", "Couldn't instantiate the backend tokenizer"),
    ),
    Failure(
        code="model_unsupported",
        cause="this version of the engine does not know the model's architecture",
        advice="see its list of models; a newer version may have it",
        says=(
            "unknown model architecture",
            "are not supported for now",
            "does not recognize this architecture",
            "Unsupported architecture",
        ),
    ),
    Failure(
        code="quantization_unsupported",
        cause="this quantization does not go with the model, the GPU or the engine",
        advice="leave `quantization` and the cache's type to the checkpoint, or take another checkpoint",
        says=(
            r"[Qq]uantization method",
            "quantized V cache requires",
            r"Cannot find the config file for \w+",
            r"kv_?cache.?dtype.* (?:not|un)\s?supported",
        ),
    ),
    Failure(
        code="context_too_long",
        cause="the context is longer than the model's own",
        advice="make it shorter, or leave it out",
        says=("greater than the derived max_model_len",),
    ),
    Failure(
        code="kv_cache_room",
        cause="there is no room for the KV cache beside the weights",
        advice="give it more memory or GPUs, a shorter context, or a smaller type of cache",
        says=(
            "No available memory for the cache blocks",
            "larger than the available KV cache memory",
            "try to increase --mem-fraction-static",
            "leave no GPU memory for the KV cache",
        ),
    ),
    Failure(
        code="gpu_memory_taken",
        cause="others hold too much of the GPU's memory",
        advice="see who: `gpuyard processes`; or lower this instance's share",
        retry=True,
        says=("less than desired GPU memory utilization", "Error in memory profiling"),
    ),
    Failure(
        code="gpu_out_of_memory",
        cause="the GPU's memory is full",
        advice="fewer sequences or tokens a step, a shorter context, or more GPUs; see who else is on it",
        retry=True,
        says=("CUDA out of memory", "CUDA error: out of memory", "cudaMalloc failed: out of memory"),
    ),
    Failure(
        code="out_of_memory",
        cause="the host's memory is full",
        advice="give it more, or let it use less of it",
        retry=True,
        says=("std::bad_alloc", "Cannot allocate memory", "MemoryError", "exit code: -9"),
    ),
    Failure(
        code="driver_mismatch",
        cause="the GPU's driver does not go with the engine's CUDA",
        advice="a newer driver, or a build of the engine for this one; after an update of the driver, a reboot",
        says=(
            "driver version is insufficient",
            "NVIDIA driver on your system is too old",
            "[Dd]river/library version mismatch",
        ),
    ),
    Failure(
        code="gpu_unsupported",
        cause="this GPU cannot do what the engine or the model needs",
        advice="another type of weights or cache, or a newer GPU",
        says=(
            "no kernel image is available",
            "only supported on GPUs with compute capability",
            "compute capability of",
        ),
    ),
    Failure(
        code="no_gpu",
        cause="the engine finds no GPU",
        advice="see `gpus` of the service and, on the node, `nvidia-smi`",
        says=("Failed to infer device type", "No CUDA GPUs are available", "no CUDA-capable device", "No GPU devices"),
    ),
    Failure(
        code="bad_parallelism",
        cause="the model cannot be divided among so many GPUs",
        advice="a number of GPUs that divides its heads",
        says=("must be divisible by tensor parallel size", r"is not divisible by (?:tp|tensor)"),
    ),
    Failure(
        code="gpu_link_failed",
        cause="the GPUs could not reach one another",
        advice="set `NCCL_DEBUG: INFO` in `env` and look again; see the room in /dev/shm",
        retry=True,
        says=("NCCL error", r"\bnccl(?:System|Internal|UnhandledCuda|Remote)Error"),
    ),
    Failure(
        code="gpu_fault",
        cause="the GPU met an error",
        advice="see the events of the GPU for an XID",
        retry=True,
        says=("illegal memory access", "unspecified launch failure", "uncorrectable ECC"),
    ),
    Failure(
        code="library_missing",
        cause="a library of the engine is missing",
        advice="install the engine anew",
        says=("cannot open shared object file", "ModuleNotFoundError", "undefined symbol:"),
    ),
    # Last: it follows upon every other one that ends vLLM's engine process.
    Failure(
        code="engine_process_died",
        cause="its engine process died",
        advice="see who killed it: the kernel, for want of memory (`journalctl -k`), or somebody by hand",
        retry=True,
        says=("EngineDeadError",),
    ),
    TOLD_TO_END,
)

_ROWS = tuple((re.compile("|".join(failure.says)), failure) for failure in FAILURES)
_TOLD = re.compile("|".join(TOLD_TO_END.says))
_CALM = re.compile(r"(?:^|[\s)])(?:INFO|WARNING|DEBUG)[\s:]|^[\d.]+ [IWD] |\[[IWV]\]")
"""Lines that tell of no error, in the words of the engines' loggers."""
_HEAD = re.compile(r"^(?:\(.*? pid=\d+\) )?(?:ERROR|INFO) .*?\] +|^[\d.]+ E +")
"""What their loggers put before an error."""


def diagnose(lines: Sequence[str]) -> Diagnosis | None:
    """What the end of a log tells of: the first row of the table that any line fits, by the last such line."""
    told = next((at for at, line in enumerate(lines) if _TOLD.search(line)), None)
    if told is not None:
        return diagnose(lines[:told]) or Diagnosis(TOLD_TO_END, _HEAD.sub("", lines[told]).strip())
    said = [line for line in reversed(lines) if not _CALM.search(line)]
    for pattern, failure in _ROWS:
        for line in said:
            if pattern.search(line):
                return Diagnosis(failure, _HEAD.sub("", line).strip())
    return None
