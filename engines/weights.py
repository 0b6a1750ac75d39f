"""How many parameters a decoder has by its dimensions, where its files are not there to be weighed."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Dimensions(msgspec.Struct, frozen=True, kw_only=True):
    """Names follow transformers; `experts` 0 is a dense model, `dense_layers` the leading ones of another kind."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    intermediate: int
    tied: bool = False
    attention_bias: bool = False
    experts: int = 0
    expert_intermediate: int = 0
    shared_intermediate: int = 0
    dense_layers: int = 0
    q_lora_rank: int | None = None
    kv_lora_rank: int | None = None
    rope_dim: int = 0
    nope_dim: int = 0
    value_dim: int = 0

    @classmethod
    def of(cls, text: Mapping[str, Any], **known: int) -> "Dimensions":
        """`known` was read already."""
        experts = text.get("n_routed_experts") or text.get("num_local_experts") or text.get("num_experts") or 0
        wide = text.get("intermediate_size") or 4 * known["hidden"]
        narrow = text.get("moe_intermediate_size") or wide
        shared = text.get("shared_expert_intermediate_size") or (text.get("n_shared_experts") or 0) * narrow
        return cls(
            **known,
            intermediate=wide,
            tied=bool(text.get("tie_word_embeddings", False)),
            attention_bias=bool(text.get("attention_bias", text.get("model_type") in ("qwen2", "qwen2_moe"))),
            experts=experts,
            expert_intermediate=narrow if experts else 0,
            shared_intermediate=shared if experts else 0,
            dense_layers=text.get("first_k_dense_replace") or 0,
            q_lora_rank=text.get("q_lora_rank"),
            kv_lora_rank=text.get("kv_lora_rank"),
            rope_dim=text.get("qk_rope_head_dim") or 0,
            nope_dim=text.get("qk_nope_head_dim") or 0,
            value_dim=text.get("v_head_dim") or 0,
        )

    @property
    def widest(self) -> int:
        return max(self.intermediate, self.expert_intermediate + self.shared_intermediate)


def parameters(of: Dimensions) -> tuple[int, int]:
    """Outside the layers (embeddings, head, norms), which quantization leaves alone, and inside."""
    outer = of.vocabulary * of.hidden * (1 if of.tied else 2) + (2 * of.layers + 1) * of.hidden
    dense = of.layers if not of.experts else of.dense_layers
    sparse = of.layers - dense
    inner = of.layers * _attention(of) + dense * 3 * of.hidden * of.intermediate + sparse * _experts(of)
    return outer, inner


def quantized_bits(config: Mapping[str, Any]) -> float | None:
    """Of one weight with its share of the scales and zero points; None is not quantized or in an unknown way."""
    method = config.get("quant_method")
    if method in ("fp8", "fbgemm_fp8", "modelopt"):
        return 8.0
    bits = config.get("bits") or (4 if config.get("load_in_4bit") else 8 if config.get("load_in_8bit") else None)
    if bits is None:
        groups = config.get("config_groups") or {}
        first: Mapping[str, Any] = next(iter(groups.values()), {})
        bits = (first.get("weights") or {}).get("num_bits")
    if method == "mxfp4":
        return 4.25  # 32 weights share a scale of 8 bits
    if bits is None:
        return None
    group = config.get("group_size") or 128
    return float(bits) if bits >= 8 or group <= 0 else bits + (16 + bits) / group


def _attention(of: Dimensions) -> int:
    if of.kv_lora_rank is not None:
        head = of.nope_dim + of.rope_dim
        query = of.hidden * of.heads * head
        if of.q_lora_rank:
            query = of.hidden * of.q_lora_rank + of.q_lora_rank * of.heads * head
        latent = of.hidden * (of.kv_lora_rank + of.rope_dim)
        spread = of.kv_lora_rank * of.heads * (of.nope_dim + of.value_dim)
        return query + latent + spread + of.heads * of.value_dim * of.hidden
    wide = (of.heads + 2 * of.kv_heads) * of.head_dim
    return of.hidden * wide + of.heads * of.head_dim * of.hidden + (wide if of.attention_bias else 0)


def _experts(of: Dimensions) -> int:
    each = 3 * of.hidden * of.expert_intermediate
    return of.experts * each + 3 * of.hidden * of.shared_intermediate + of.experts * of.hidden
