"""A model directory as Hugging Face lays it out → Shape: config.json, and the sizes of its safetensors files.

Names of keys as in transformers 4.57; a model of several parts (text and images) is measured by its text part, with
all of its files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.shape import Attention, Shape, UnreadableModel
from engines.weights import Dimensions, parameters, quantized_bits

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "half": 2, "float": 4}
_FULL = frozenset({"full_attention", "attention", "*"})
_SLIDING = frozenset({"sliding_attention", "chunked_attention", "local_attention"})
_NO_CACHE = frozenset({"-", "mlp", "moe", "E"})
"""Layers that keep nothing, in patterns that name each."""


def read(directory: Path) -> Shape:
    """Raises UnreadableModel."""
    path = directory / "config.json"
    try:
        config = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        hint = "give a directory with config.json, or a .gguf file"
        raise UnreadableModel(f"{path}: {error.strerror or error}", hint) from None
    except msgspec.DecodeError as error:
        raise UnreadableModel(f"{path} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise UnreadableModel(f"{path} holds no object")
    try:
        return msgspec.convert(msgspec.to_builtins(shape(config, stored_bytes(directory))), Shape)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        text = f"{path}: a field is of another kind than transformers writes: {error}"
        raise UnreadableModel(text, "only decoder models of transformers are measured") from None


def stored_bytes(directory: Path) -> int | None:
    """Of the weights on disk; None where there are none, as for a model that was not downloaded yet."""
    sizes = [path.stat().st_size for path in directory.glob("*.safetensors")]
    return sum(sizes) or None


def shape(config: Mapping[str, Any], weight_bytes: int | None) -> Shape:
    """`weight_bytes` None works them out. Raises UnreadableModel for a config without the numbers that it takes."""
    text = config.get("text_config") or config.get("llm_config") or config
    if not isinstance(text, dict):
        raise UnreadableModel("text_config holds no object")
    layers, hidden = _number(text, "num_hidden_layers"), _number(text, "hidden_size")
    heads = _number(text, "num_attention_heads")
    vocabulary = _number(text, "vocab_size")
    kv_heads = _number(text, "num_key_value_heads", heads)
    head_dim = _number(text, "head_dim", hidden // max(1, heads))
    dtype = str(text.get("dtype") or text.get("torch_dtype") or config.get("torch_dtype") or "bfloat16")
    kinds = layer_kinds(text, layers)
    dimensions = Dimensions.of(text, layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=head_dim,
                               vocabulary=vocabulary)  # fmt: skip
    dtype_bytes = DTYPE_BYTES.get(dtype.removeprefix("torch."), 2)
    if weight_bytes is None:
        outer, inner = parameters(dimensions)
        bits = quantized_bits(config.get("quantization_config") or {}) or dtype_bytes * 8
        worked_out = outer * dtype_bytes + int(inner * bits / 8)
    return Shape(
        architecture=_architecture(config),
        weight_bytes=worked_out if weight_bytes is None else weight_bytes,
        weights_counted=weight_bytes is not None,
        dtype_bytes=dtype_bytes,
        hidden=hidden,
        intermediate=dimensions.widest,
        vocabulary=vocabulary,
        layers=layers,
        context=text.get("max_position_embeddings"),
        attention=_attention(text, kinds, kv_heads, head_dim),
        state_elements=sum(kind == "state" for kind in kinds) * _state_elements(text),
    )


def layer_kinds(text: Mapping[str, Any], layers: int) -> Sequence[str]:
    """`full`, `sliding`, `state` or `none` for each layer: who keeps what."""
    named = text.get("layer_types") or text.get("layers_block_type") or text.get("hybrid_override_pattern")
    if named:
        return [_kind(str(one)) for one in named]
    if interval := text.get("full_attention_interval"):
        return ["full" if (place + 1) % interval == 0 else "state" for place in range(layers)]
    if period := text.get("attn_layer_period"):
        offset = text.get("attn_layer_offset", 0)
        return ["full" if place % period == offset else "state" for place in range(layers)]
    if text.get("sliding_window") and text.get("use_sliding_window", True):
        if pattern := text.get("sliding_window_pattern"):
            return ["full" if (place + 1) % pattern == 0 else "sliding" for place in range(layers)]
        first = text.get("max_window_layers", 0) if "use_sliding_window" in text else 0
        return ["full" if place < first else "sliding" for place in range(layers)]
    return ["full"] * layers


def _kind(name: str) -> str:
    if name in _FULL or name == "hybrid":
        return "full"
    if name in _SLIDING:
        return "sliding"
    return "none" if name in _NO_CACHE else "state"


def _attention(text: Mapping[str, Any], kinds: Sequence[str], kv_heads: int, head_dim: int) -> tuple[Attention, ...]:
    if (rank := text.get("kv_lora_rank")) is not None:
        return (Attention(layers=len(kinds), kept=rank + text.get("qk_rope_head_dim", 0)),)
    window = text.get("sliding_window") or text.get("attention_chunk_size")
    groups = (("full", None), ("sliding", window))
    return tuple(
        Attention(layers=kinds.count(kind), kept=2 * head_dim, kv_heads=kv_heads, window=seen)
        for kind, seen in groups
        if kind in kinds
    )


def _state_elements(text: Mapping[str, Any]) -> int:
    """Of one layer and sequence. Gated delta nets (Qwen3-Next), Mamba 2 (Nemotron-H, Bamba), else Mamba 1."""
    if "linear_num_value_heads" in text:
        keys = text["linear_num_key_heads"] * text["linear_key_head_dim"]
        values = text["linear_num_value_heads"] * text["linear_value_head_dim"]
        rolled = (2 * keys + values) * (text.get("linear_conv_kernel_dim", 4) - 1)
        return int(rolled + values * text["linear_key_head_dim"])
    state = text.get("ssm_state_size") or text.get("mamba_d_state") or text.get("state_size") or 16
    kernel = text.get("conv_kernel") or text.get("mamba_d_conv") or 4
    heads = text.get("mamba_num_heads") or text.get("mamba_n_heads")
    if heads:
        inner = heads * (text.get("mamba_head_dim") or text.get("mamba_d_head") or 64)
        groups = text.get("n_groups") or text.get("mamba_n_groups") or 1
        return int((inner + 2 * groups * state) * (kernel - 1) + inner * state)
    inner = (text.get("mamba_expand") or text.get("expand") or 2) * text["hidden_size"]
    return int(inner * (kernel - 1) + inner * state)


def _number(text: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = text.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise UnreadableModel(f"config.json: `{key}` is {value!r}", "only decoder models of transformers are measured")
    return value


def _architecture(config: Mapping[str, Any]) -> str:
    named = config.get("architectures") or [config.get("model_type", "")]
    return str(named[0])
