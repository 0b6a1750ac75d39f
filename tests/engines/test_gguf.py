import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import gguf
from engines.memory import Demand, estimate
from engines.shape import UnreadableModel


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def number(key: str, value: int) -> bytes:
    return text(key) + struct.pack("<II", 4, value)


def words(key: str, items: list[str]) -> bytes:
    return text(key) + struct.pack("<IIQ", 9, 8, len(items)) + b"".join(map(text, items))


def flags(key: str, items: list[bool]) -> bytes:
    return text(key) + struct.pack("<IIQ", 9, 7, len(items)) + bytes(items)


LLAMA = [
    text("general.architecture") + struct.pack("<I", 8) + text("llama"),
    number("llama.block_count", 30),
    number("llama.embedding_length", 576),
    number("llama.attention.head_count", 9),
    number("llama.attention.head_count_kv", 3),
    number("llama.feed_forward_length", 1536),
    number("llama.context_length", 8192),
    words("tokenizer.ggml.tokens", ["a"] * 5000),
]


def file(tmp_path: Path, pairs: list[bytes], size: int = 100_000) -> Path:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
    path = tmp_path / "model.gguf"
    path.write_bytes(head + bytes(max(0, size - len(head))))
    return path


def test_the_header_says_what_a_token_takes(tmp_path: Path) -> None:
    shape = gguf.read(file(tmp_path, LLAMA))
    assert (shape.layers, shape.context, shape.vocabulary, shape.weight_bytes) == (30, 8192, 5000, 100_000)
    assert estimate(shape, Demand(context=8192)).kv_token_bytes == 23_040


def test_layers_with_a_window_are_counted_apart(tmp_path: Path) -> None:
    pattern = flags("llama.attention.sliding_window_pattern", [True, True, False] * 10)
    shape = gguf.read(file(tmp_path, [*LLAMA, number("llama.attention.sliding_window", 512), pattern]))
    assert [(group.layers, group.window) for group in shape.attention] == [(10, None), (20, 512)]


def test_a_window_without_a_pattern_promises_no_room(tmp_path: Path) -> None:
    shape = gguf.read(file(tmp_path, [*LLAMA, number("llama.attention.sliding_window", 512)]))
    assert [(group.layers, group.window) for group in shape.attention] == [(30, None)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04", "no GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("x") + struct.pack("<I", 99), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "block_count"),
    ],
)
def test_what_is_no_model_is_said(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UnreadableModel, match=says):
        gguf.read(path)


@given(st.binary(max_size=400))
def test_nothing_that_is_read_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(LLAMA) + 1) + b"".join(LLAMA) + noise)
    try:
        layers = gguf.read(path).layers
    except UnreadableModel:
        layers = 30
    assert layers == 30
