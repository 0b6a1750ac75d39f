"""GPU types by the short name that people write, `H100`, from `gpus.yaml` beside this file."""

from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from profiles.text.conform import convert
from profiles.text.units import size_mib

FILE = Path(__file__).with_name("gpus.yaml")


class GpuType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`names` are beginnings of what NVML calls boards of this type."""

    memory: str
    tdp_w: int
    names: tuple[str, ...]

    @property
    def memory_mib(self) -> int:
        found = size_mib(self.memory)
        assert found is not None, self.memory
        return found


class _Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gpus: dict[str, GpuType]


@cache
def types() -> dict[str, GpuType]:
    from profiles.text.yamltext import read  # for those who ask, and placement only asks where a profile names a type

    return convert(read(FILE), _Sheet).gpus


@lru_cache(256)
def type_of(board: str) -> str | None:
    """`NVIDIA H100 80GB HBM3` → `H100`. None for a board that the sheet does not know."""
    fits = [(len(begin), name) for name, one in types().items() for begin in one.names if _begins(board, begin)]
    return max(fits)[1] if fits else None


def _begins(board: str, begin: str) -> bool:
    """Whole words: `NVIDIA A10` begins no `NVIDIA A100`."""
    return board.startswith(begin) and not board[len(begin) : len(begin) + 1].isalnum()


def unknown(name: str) -> str:
    """What to write instead of a type that the sheet does not know; "" where it does."""
    if name in types():
        return ""
    by_case = {known.upper(): known for known in types()}
    close = get_close_matches(name.upper(), by_case, n=1)
    meant = f"did you mean `{by_case[close[0]]}`? " if close else ""
    return f"{meant}known: {', '.join(types())}"
