"""A GGUF file's header → Shape. Only the header is read, however large the file.

Format: ggml's docs/gguf.md, versions 2 and 3, little endian: magic, version, number of tensors, number of pairs, then
the pairs, each a key, a type and a value.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from engines.shape import Attention, Shape, UnreadableModel

Value = int | float | bool | str | list["Value"]

MAX_STRING_BYTES = 64 * 1024 * 1024
MAX_PAIRS = 65_536
MAX_ITEMS = 16 * 1024 * 1024

_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_KEPT_ITEMS = 4096
"""Longer arrays are vocabularies: they are counted and thrown away."""


def read(path: Path) -> Shape:
    """Raises UnreadableModel."""
    try:
        with path.open("rb") as file:
            pairs = header(file)
        return shape(pairs, path.stat().st_size)
    except OSError as error:
        raise UnreadableModel(f"{path}: {error.strerror or error}") from None
    except (struct.error, UnicodeDecodeError):
        raise UnreadableModel(f"{path}: its header is cut off or damaged", "copy the file anew") from None


def header(file: BinaryIO) -> dict[str, Value]:
    """The pairs; an array of more than a few thousand items is its length. Raises UnreadableModel, struct.error."""
    if file.read(4) != b"GGUF":
        raise UnreadableModel(f"{file.name} is no GGUF file", "give a .gguf file, or a directory with config.json")
    (version,) = _take(file, "<I")
    if version not in (2, 3):
        raise UnreadableModel(f"{file.name}: version {version} of GGUF is not known", "convert it with a newer tool")
    _, pairs = _take(file, "<QQ")
    if pairs > MAX_PAIRS:
        raise struct.error
    found: dict[str, Value] = {}
    for _ in range(pairs):
        key = _text(file)
        found[key] = _value(file, _take(file, "<I")[0])
    return found


def shape(pairs: dict[str, Value], file_bytes: int) -> Shape:
    """Raises UnreadableModel where a number is missing that the arithmetic takes."""
    architecture = str(pairs.get("general.architecture", ""))

    def number(key: str, default: int | None = None) -> int:
        value = pairs.get(f"{architecture}.{key}", default)
        if isinstance(value, list):  # one a layer, where layers differ
            value = max((one for one in value if isinstance(one, int)), default=default)
        if not isinstance(value, int):
            raise UnreadableModel(f"the header has no {architecture}.{key}", "only decoder models are measured")
        return value

    layers, hidden, heads = number("block_count"), number("embedding_length"), number("attention.head_count")
    kv_heads = number("attention.head_count_kv", heads)
    key_dim = number("attention.key_length", hidden // max(1, heads))
    value_dim = number("attention.value_length", key_dim)
    window = number("attention.sliding_window", 0) or None
    rank = number("attention.kv_lora_rank", 0)
    kept = rank + number("rope.dimension_count", 0) if rank else key_dim + value_dim
    pattern = pairs.get(f"{architecture}.attention.sliding_window_pattern")
    return Shape(
        architecture=architecture,
        weight_bytes=file_bytes,
        weights_counted=True,
        dtype_bytes=2,  # llama.cpp keeps keys and values as f16 unless told otherwise
        hidden=hidden,
        intermediate=number("feed_forward_length", 4 * hidden),
        vocabulary=number("vocab_size", _tokens(pairs)),
        layers=layers,
        context=number("context_length", 0) or None,
        attention=_attention(layers, kept, None if rank else kv_heads, window, pattern),
        gguf=True,
    )


def _attention(
    layers: int, kept: int, kv_heads: int | None, window: int | None, pattern: Value | None
) -> tuple[Attention, ...]:
    """Without a pattern in the header nobody says which layers have the window: all are counted in full."""
    if window is None or not isinstance(pattern, list):
        return (Attention(layers=layers, kept=kept, kv_heads=kv_heads),)
    sliding = sum(map(bool, pattern))
    full = Attention(layers=layers - sliding, kept=kept, kv_heads=kv_heads)
    return (full, Attention(layers=sliding, kept=kept, kv_heads=kv_heads, window=window))


def _tokens(pairs: dict[str, Value]) -> int:
    tokens = pairs.get("tokenizer.ggml.tokens", 0)
    return len(tokens) if isinstance(tokens, list) else int(tokens) if isinstance(tokens, int) else 0


def _value(file: BinaryIO, kind: int) -> Value:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        value: int | float | bool = _take(file, _number_format(kind))[0]
        return value
    item, count = _take(file, "<IQ")
    if count > MAX_ITEMS or item == _ARRAY:
        raise struct.error
    if count <= _KEPT_ITEMS:
        return [_value(file, item) for _ in range(count)]
    if item == _STRING:
        for _ in range(count):
            _text(file)
    else:
        file.seek(count * struct.calcsize(_number_format(item)), 1)
    return int(count)


def _number_format(kind: int) -> str:
    if kind not in _NUMBERS:
        raise struct.error
    return _NUMBERS[kind]


def _text(file: BinaryIO) -> str:
    (length,) = _take(file, "<Q")
    if length > MAX_STRING_BYTES:
        raise struct.error
    return file.read(length).decode("utf-8", "replace")


def _take(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
