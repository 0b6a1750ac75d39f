"""Numbers with units, as people write them in profiles."""

import re

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9})(MiB|GiB|TiB)", re.ASCII)
_MIB = {"MiB": 1, "GiB": 1024, "TiB": 1024 * 1024}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float | None:
    """`800ms`, `30s`, `10m`, `2h` or `30d` in seconds; None for anything else."""
    found = _DURATION.fullmatch(text)
    return float(found[1]) * _SECONDS[found[2]] if found else None


def duration_text(seconds: float) -> str:
    """As `duration_s` reads it, in the largest unit that writes it without a fraction."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.10g}ms"


def size_text(mib: int) -> str:
    """As `size_mib` reads it."""
    return f"{mib // 1024}GiB" if mib % 1024 == 0 else f"{mib}MiB"


def size_mib(text: str) -> int | None:
    """`512MiB`, `64GiB` or `1TiB` in MiB; None for anything else."""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _MIB[found[2]] if found else None
