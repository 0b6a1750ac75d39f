"""What of a model costs memory: its weights, and what each token and each sequence leaves behind.

config.json (engines.hfconfig) ─┐
GGUF header (engines.gguf) ─────┴─► Shape ──► engines.memory
"""

import msgspec


class UnreadableModel(Exception):
    """The files do not say what the model is. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """`layers` layers that keep keys and values alike.

    `kept` is elements a token and layer: keys and values of one head each where there are `kv_heads`, a latent vector
    that all heads share where `kv_heads` is None (MLA).
    """

    layers: int
    kept: int
    kv_heads: int | None = None
    window: int | None = None
    """Tokens that such a layer looks back on, at most; None sees them all."""

    def elements(self, tokens: int, tensor_parallel: int) -> int:
        """Kept on one GPU for a sequence of `tokens`. Heads are copied where there are fewer of them than GPUs."""
        held = tokens if self.window is None else min(tokens, self.window)
        heads = 1 if self.kv_heads is None else -(-self.kv_heads // min(tensor_parallel, self.kv_heads))
        return self.layers * self.kept * heads * held


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A model, of whatever format. Bytes are of the whole model, before it is split over GPUs."""

    architecture: str
    weight_bytes: int
    weights_counted: bool
    """Read from the files' sizes; False is worked out from the dimensions."""
    dtype_bytes: int
    """Of one activation, and of one key or value unless another type is asked for."""
    hidden: int
    intermediate: int
    """Widest of the layers that one token passes through."""
    vocabulary: int
    layers: int
    context: int | None
    """The longest that the model was made for."""
    attention: tuple[Attention, ...]
    state_elements: int = 0
    """Kept once a sequence, whatever its length, by layers without attention (Mamba, linear attention)."""
    gguf: bool = False
