"""Models of a few hundred kilobytes that real engines load: random weights, real file formats."""

import array
import json
import random
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

_CHAT_TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"

Value = str | int | float | Sequence[str] | Sequence[int] | Sequence[float]


def write_llama_gguf(path: Path, *, layers: int = 2, hidden: int = 128, context: int = 2048) -> Path:
    """A Llama with random weights and a byte vocabulary, as GGUF version 3 (docs/gguf.md of ggml)."""
    heads, kv_heads, inner = 4, 2, 2 * hidden
    kv_width = hidden // heads * kv_heads
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁etaoinshrdlu"]
    facts: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.block_count": layers,
        "llama.context_length": context,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": inner,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": hidden // heads,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-float(place) for place in range(len(tokens))],
        # unknown, control, control, bytes, normal
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.chat_template": _CHAT_TEMPLATE,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (hidden, len(tokens)),
        "output_norm.weight": (hidden,),
        "output.weight": (hidden, len(tokens)),
    }
    for layer in range(layers):
        shapes |= {
            f"blk.{layer}.{name}.weight": shape
            for name, shape in {
                "attn_norm": (hidden,),
                "attn_q": (hidden, hidden),
                "attn_k": (hidden, kv_width),
                "attn_v": (hidden, kv_width),
                "attn_output": (hidden, hidden),
                "ffn_norm": (hidden,),
                "ffn_gate": (hidden, inner),
                "ffn_up": (hidden, inner),
                "ffn_down": (inner, hidden),
            }.items()
        }
    path.write_bytes(_gguf(facts, shapes))
    return path


def write_llama_gguf_lora(path: Path, *, layers: int = 2, hidden: int = 128) -> Path:
    """An adapter for the queries of `write_llama_gguf`'s model."""
    rank = 4
    facts: dict[str, Value] = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    shapes = {
        f"blk.{layer}.attn_q.weight.lora_{part}": shape
        for layer in range(layers)
        for part, shape in {"a": (hidden, rank), "b": (rank, hidden)}.items()
    }
    path.write_bytes(_gguf(facts, shapes))
    return path


def _gguf(facts: Mapping[str, Value], shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Header, facts and tensor directory, then every tensor as float32 at a multiple of 32 bytes."""
    chance = random.Random(0)
    head = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(shapes), len(facts)))
    for key, value in facts.items():
        head += _string(key) + _typed(value)
    body = bytearray()
    for name, shape in shapes.items():
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(body))
        norm = "norm" in name
        body += array.array("f", (1.0 if norm else chance.gauss(0.0, 0.08) for _ in range(prod(shape)))).tobytes()
        body += bytes(-len(body) % 32)
    return bytes(head + bytes(-len(head) % 32) + body)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _typed(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    kind = {str: 8, int: 5, float: 6}[type(value[0])]
    items = b"".join(
        _string(item) if isinstance(item, str) else struct.pack("<i" if kind == 5 else "<f", item) for item in value
    )
    return struct.pack("<IIQ", 9, kind, len(value)) + items


def write_llama_folder(folder: Path, *, context: int = 2048) -> Path:
    """A Hugging Face folder without weights, for `--load-format dummy`: Llama, 4 layers, vocabulary of 512."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "vocab_size": 512,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "bfloat16",
    }
    characters = sorted(_byte_alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *characters])}
    specials = [
        {"id": number, "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for number, token in enumerate(("<s>", "</s>"))
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": specials,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    names = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": context,
        "chat_template": _CHAT_TEMPLATE,
    }
    for name, content in {"config": config, "tokenizer": tokenizer, "tokenizer_config": names}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def write_lora_folder(folder: Path) -> Path:
    """An adapter for the queries of `write_llama_folder`'s model, in the format of PEFT with safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    rank, hidden, layers = 8, 256, 4
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    chance = random.Random(0)
    head: dict[str, object] = {}
    body = bytearray()
    for layer in range(layers):
        for name, shape in {"lora_A": (rank, hidden), "lora_B": (hidden, rank)}.items():
            begin = len(body)
            body += array.array("f", (chance.gauss(0.0, 0.1) for _ in range(prod(shape)))).tobytes()
            key = f"base_model.model.model.layers.{layer}.self_attn.q_proj.{name}.weight"
            head[key] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, len(body))}
    header = json.dumps(head).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + body)
    return folder


def _byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes: visible Latin-1 stays, the rest moves up from U+0100."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in visible] + [chr(0x100 + place) for place in range(256 - len(visible))]
