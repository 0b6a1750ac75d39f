"""What a model takes of one GPU, and how many sequences fit beside it. Pure.

    Shape + Demand ──► Estimate ──► in so many MiB: tokens, sequences

Weights and keys and values are arithmetic; the rest is rule of thumb (ASSUMED) until an engine on that GPU has been
seen with that model: then what it took more, or less, is added as `correction_mib`.
"""

import math

import msgspec

from engines.shape import Shape

MIB = 1024 * 1024

KV_BYTES = {
    "fp8": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0, "f16": 2.0, "bf16": 2.0, "float16": 2.0, "bfloat16": 2.0, "f32": 4.0,
    "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
"""Of one element by the engines' names for it; ggml's blocks of 32 carry their scales."""


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """Middle of what is reported; nobody here measured it on a GPU."""

    context_mib: int = 500
    """CUDA context and kernels of one process."""
    communication_mib: int = 512
    """NCCL's buffers, with several GPUs."""
    graphs_mib: int = 768


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """How it is to be run. `kv_bytes` None is the model's own type; `batched_tokens` pass through at once."""

    context: int
    sequences: int = 1
    batched_tokens: int = 8192
    kv_bytes: float | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    graphs: bool = True
    correction_mib: int = 0


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Of the fullest of its GPUs. All but `kv` is there before the first request."""

    weights_mib: int
    context_mib: int
    communication_mib: int
    activations_mib: int
    graphs_mib: int
    correction_mib: int
    kv_token_bytes: float
    """Of one more token, as long as no layer's window is full."""
    sequence_bytes: float
    """Of one sequence of the whole context."""
    context: int

    @property
    def fixed_mib(self) -> int:
        parts = (self.weights_mib, self.context_mib, self.communication_mib, self.activations_mib, self.graphs_mib)
        return max(0, sum(parts) + self.correction_mib)

    def needed_mib(self, sequences: int) -> int:
        return self.fixed_mib + math.ceil(self.sequence_bytes * sequences / MIB)

    def sequences(self, memory_mib: int) -> int:
        """That fit into `memory_mib` with the whole context each; shorter ones share the room."""
        room = (memory_mib - self.fixed_mib) * MIB
        return max(0, math.floor(room / self.sequence_bytes)) if self.sequence_bytes else 0


def estimate(shape: Shape, demand: Demand, assumed: Assumed | None = None) -> Estimate:
    """`demand.context` may be longer than the model was made for: that is the engine's to refuse."""
    rule = assumed or Assumed()
    parallel = demand.tensor_parallel * demand.pipeline_parallel
    return Estimate(
        weights_mib=math.ceil(shape.weight_bytes / parallel / MIB),
        context_mib=rule.context_mib,
        communication_mib=rule.communication_mib if parallel > 1 else 0,
        activations_mib=math.ceil(_activation_bytes(shape, demand) / MIB),
        graphs_mib=rule.graphs_mib if demand.graphs and not shape.gguf else 0,
        correction_mib=demand.correction_mib,
        kv_token_bytes=_kept_bytes(shape, demand, 1),
        sequence_bytes=_kept_bytes(shape, demand, demand.context) + _state_bytes(shape, demand),
        context=demand.context,
    )


def _kept_bytes(shape: Shape, demand: Demand, tokens: int) -> float:
    """Keys and values of one sequence on one GPU; pipeline stages share the layers out."""
    each = shape.dtype_bytes if demand.kv_bytes is None else demand.kv_bytes
    elements = sum(group.elements(tokens, demand.tensor_parallel) for group in shape.attention)
    return elements * each / demand.pipeline_parallel


def _state_bytes(shape: Shape, demand: Demand) -> float:
    return shape.state_elements * shape.dtype_bytes / (demand.tensor_parallel * demand.pipeline_parallel)


def _activation_bytes(shape: Shape, demand: Demand) -> float:
    """The larger of the widest layer under a full batch and the logits of all sequences, in 32 bits with a copy."""
    layer = demand.batched_tokens * (2 * shape.intermediate / demand.tensor_parallel + 4 * shape.hidden)
    logits = demand.sequences * shape.vocabulary * 4 * 2
    return max(layer * shape.dtype_bytes, logits)
