"""A GPU's memory in a few cells, for a table: ours, foreign, reserved, not attributed, free."""

from functools import lru_cache

from console.render.sharing import FOREIGN, FREE, RESERVED, TENANT, UNATTRIBUTED
from console.render.stack import Layer, stacked
from console.render.text import UNKNOWN
from profiles.gpu.memory import usage
from profiles.observed.status import GpuReading

_SIGNS = (RESERVED, TENANT[0], FOREIGN, UNATTRIBUTED, FREE)


def memory_bar(gpu: GpuReading, width: int) -> str:
    found = usage(gpu)
    if found is None:
        return UNKNOWN
    parts = (found.reserved_mib, found.ours_mib, found.foreign_mib, found.unattributed_mib, found.free_mib)
    return _bar(parts, width)


@lru_cache(maxsize=16384)
def _bar(parts: tuple[int, ...], width: int) -> str:
    """Memory stands still for most of the time, and a table has thousands of rows."""
    layers = [Layer(sign, mib) for sign, mib in zip(_SIGNS, parts, strict=True)]
    return "".join(text for text, _ in stacked(layers, width))
