"""Published models, by the numbers that their makers print: bytes a token, parameters, what fits."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import hfconfig
from engines.memory import KV_BYTES, Demand, estimate
from engines.shape import Attention, Shape, UnreadableModel

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
    "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA_70B = LLAMA_8B | {
    "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
}  # fmt: skip
QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "vocab_size": 152064,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "torch_dtype": "bfloat16",
    "use_sliding_window": False, "sliding_window": 131072, "max_window_layers": 28,
}  # fmt: skip
SMOLLM2 = {
    "hidden_size": 576, "intermediate_size": 1536, "vocab_size": 49152, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
}  # fmt: skip
DEEPSEEK_V3 = {
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "vocab_size": 129280,
    "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "torch_dtype": "bfloat16",
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
    "n_routed_experts": 256, "n_shared_experts": 1, "first_k_dense_replace": 3,
    "quantization_config": {"quant_method": "fp8"},
}  # fmt: skip
QWEN3_NEXT = {
    "hidden_size": 2048, "intermediate_size": 5120, "vocab_size": 151936, "num_hidden_layers": 48,
    "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "full_attention_interval": 4,
    "linear_num_value_heads": 32, "linear_num_key_heads": 16, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4, "num_experts": 512, "moe_intermediate_size": 512,
    "shared_expert_intermediate_size": 512,
}  # fmt: skip
GEMMA3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "text_config": {
        "hidden_size": 2560, "intermediate_size": 10240, "vocab_size": 262208, "num_hidden_layers": 34,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 1024,
        "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "kv_token_bytes"),
    [(LLAMA_8B, 131_072), (LLAMA_70B, 327_680), (QWEN_7B, 57_344), (DEEPSEEK_V3, 70_272), (SMOLLM2, 23_040)],
)
def test_a_token_of_known_models_takes_what_is_known(config: dict[str, Any], kv_token_bytes: int) -> None:
    assert estimate(hfconfig.shape(config, None), Demand(context=4096)).kv_token_bytes == kv_token_bytes


@pytest.mark.parametrize(
    ("config", "parameters", "bytes_each"),
    [
        (LLAMA_8B, 8_030_261_248, 2),
        (LLAMA_70B, 70_553_706_496, 2),
        (QWEN_7B, 7_615_616_512, 2),
        (SMOLLM2, 134_515_008, 2),
        (DEEPSEEK_V3, 671_026_419_200, 1),
    ],
)
def test_weights_are_worked_out_where_there_are_no_files(
    config: dict[str, Any], parameters: int, bytes_each: int
) -> None:
    shape = hfconfig.shape(config, None)
    assert not shape.weights_counted
    assert shape.weight_bytes == pytest.approx(parameters * bytes_each, rel=0.005)


def test_weights_in_four_bits_leave_embeddings_alone() -> None:
    shape = hfconfig.shape(LLAMA_70B | {"quantization_config": {"quant_method": "awq", "bits": 4}}, None)
    assert 37 < shape.weight_bytes / 1e9 < 41  # the published AWQ files are 39.8 GB


def test_files_are_weighed_rather_than_guessed() -> None:
    shape = hfconfig.shape(LLAMA_8B, 16_060_556_376)
    assert shape.weights_counted
    assert estimate(shape, Demand(context=1, tensor_parallel=2)).weights_mib == 7659


def test_a_sliding_layer_keeps_its_window_and_no_more() -> None:
    shape = hfconfig.shape(GEMMA3_4B, None)
    assert [(group.layers, group.window) for group in shape.attention] == [(5, None), (29, 1024)]
    short, long = (estimate(shape, Demand(context=tokens)).sequence_bytes for tokens in (1024, 2048))
    assert long - short == 1024 * 5 * 2 * 256 * 4 * 2


def test_a_hybrid_keeps_tokens_in_its_full_layers_and_a_state_in_the_rest() -> None:
    shape = hfconfig.shape(QWEN3_NEXT, None)
    found = estimate(shape, Demand(context=1))
    assert found.kv_token_bytes == 12 * 2 * 256 * 2 * 2
    state = 36 * (8192 * 3 + 4096 * 128)
    assert found.sequence_bytes == found.kv_token_bytes + state * 2


@pytest.mark.parametrize(
    ("keys", "full", "sliding", "state"),
    [
        ({"layer_types": ["full_attention", "sliding_attention"] * 2, "sliding_window": 128}, 2, 2, 0),
        ({"hybrid_override_pattern": "M-M*"}, 1, 0, 2),
        ({"attn_layer_period": 4, "attn_layer_offset": 2}, 1, 0, 3),
        ({"sliding_window": 4096}, 0, 4, 0),
        ({"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 1}, 1, 3, 0),
        ({}, 4, 0, 0),
    ],
)
def test_layers_are_told_apart(keys: dict[str, Any], full: int, sliding: int, state: int) -> None:
    found = list(hfconfig.layer_kinds(keys, 4))
    assert (found.count("full"), found.count("sliding"), found.count("state")) == (full, sliding, state)


def test_heads_are_copied_where_there_are_fewer_than_gpus() -> None:
    shape = hfconfig.shape(LLAMA_8B, None)
    by_gpus = [estimate(shape, Demand(context=1, tensor_parallel=gpus)).kv_token_bytes for gpus in (1, 8, 16)]
    assert by_gpus == [131_072, 16_384, 16_384]


def test_a_latent_is_on_every_gpu() -> None:
    shape = hfconfig.shape(DEEPSEEK_V3, None)
    assert estimate(shape, Demand(context=1, tensor_parallel=8)).kv_token_bytes == 70_272


def test_what_an_engine_printed_for_the_tiny_model() -> None:
    """vLLM 0.32.0 with 1 GiB for keys and values said 524,288 tokens."""
    tiny = {"hidden_size": 256, "intermediate_size": 512, "vocab_size": 512, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "torch_dtype": "bfloat16"}  # fmt: skip
    found = estimate(hfconfig.shape(tiny, None), Demand(context=1024))
    assert found.sequences(found.fixed_mib + 1024) * 1024 == 524_288


@pytest.mark.parametrize(
    "broken", [{"num_hidden_layers": None}, {"hidden_size": "wide"}, {"vocab_size": -1}, {"text_config": [1]}]
)
def test_a_config_that_lacks_a_number_is_refused_by_name(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableModel, match=next(iter(broken))):
        hfconfig.shape(LLAMA_8B | broken, None)


@pytest.mark.parametrize(
    "odd",
    [
        {"intermediate_size": "wide"},
        {"sliding_window": 4096, "sliding_window_pattern": "x"},
        {"architectures": 3},
        {"max_position_embeddings": "long"},
        {"quantization_config": "int4"},
    ],
)
def test_a_config_with_a_field_of_another_kind_is_refused(odd: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B | odd))
    with pytest.raises(UnreadableModel, match="another kind"):
        hfconfig.read(tmp_path)


shapes = st.builds(
    lambda layers, kv_heads, kept, window: Shape(
        architecture="any", weight_bytes=10**9, weights_counted=True, dtype_bytes=2, hidden=512, intermediate=2048,
        vocabulary=32000, layers=layers, context=None,
        attention=(Attention(layers=layers, kept=kept, kv_heads=kv_heads, window=window),),
    ),
    st.integers(1, 100), st.none() | st.integers(1, 64), st.integers(2, 1024), st.none() | st.integers(1, 4096),
)  # fmt: skip
demands = st.builds(
    Demand,
    context=st.integers(1, 100_000),
    sequences=st.integers(1, 512),
    tensor_parallel=st.sampled_from([1, 2, 4, 8]),
    pipeline_parallel=st.integers(1, 4),
    kv_bytes=st.none() | st.sampled_from(sorted(set(KV_BYTES.values()))),
)


@given(shapes, demands, st.integers(0, 200_000))
def test_what_fits_is_what_is_needed_and_not_one_more(shape: Shape, demand: Demand, memory_mib: int) -> None:
    found = estimate(shape, demand)
    fits = found.sequences(memory_mib)
    assert fits == 0 or found.needed_mib(fits) <= memory_mib
    assert found.needed_mib(fits + 1) > memory_mib - 1


@given(shapes, demands)
def test_more_gpus_never_take_more_of_each(shape: Shape, demand: Demand) -> None:
    one = estimate(shape, demand)
    two = estimate(shape, Demand(context=demand.context, sequences=demand.sequences, kv_bytes=demand.kv_bytes,
                                 tensor_parallel=demand.tensor_parallel * 2,
                                 pipeline_parallel=demand.pipeline_parallel))  # fmt: skip
    assert two.weights_mib <= one.weights_mib
    assert two.sequence_bytes <= one.sequence_bytes
