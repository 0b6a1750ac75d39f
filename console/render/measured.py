"""What an engine took of a GPU's memory, beside what was estimated of it."""

import time

from console.render.entries import entry, long_entry
from console.render.fit import Line
from console.render.table import Tone
from engines.measured import Measurement, Said, Taken

GIB = 1024


def measured_lines(found: Taken, width: int) -> list[Line]:
    """`estimated 17.1 GiB, measured 18.4 GiB (+8 %): weights, graphs`, and its KV cache."""
    compared = found.compared
    if compared:
        text = f"estimated {gib(compared.estimated_mib)}, measured {gib(compared.measured_mib)}"
        lines = long_entry("Memory", f"{text}{_off(found)}: {', '.join(compared.parts)}", width)
    else:
        parts = _parts(found.said)
        lines = long_entry("Memory", f"measured {parts}; no files of the model to estimate by", width)
    said = found.said
    room = "" if said.kv_tokens is None else f"   room for {said.kv_tokens:,} tokens"
    if said.kv_mib is not None:
        lines.append(entry("", f"KV cache {gib(said.kv_mib)}{room}", Tone.DIM))
    return lines


def correction_text(found: Measurement, node: str) -> str:
    """`corrected by what fra-1 measured on 2026-11-25 with vllm 0.32.0`"""
    day = time.strftime("%Y-%m-%d", time.localtime(found.taken.at_unix_s))
    return f"corrected by what {node} measured on {day} with {found.engine} {found.version}".rstrip()


def gib(mib: float) -> str:
    """Of a test's model it is a few MiB."""
    return f"{mib / GIB:,.1f} GiB" if mib >= GIB / 10 else f"{mib:,.1f} MiB"


def _off(found: Taken) -> str:
    assert found.compared
    if not found.compared.estimated_mib:
        return ""
    return f" ({found.correction_mib / found.compared.estimated_mib:+.0%})".replace("%", " %")


def _parts(said: Said) -> str:
    named = {
        "weights": said.weights_mib, "activations": said.activations_mib, "graphs": said.graphs_mib,
        "all but the KV cache": said.fixed_mib,
    }  # fmt: skip
    told = [f"{name} {gib(mib)}" for name, mib in named.items() if mib is not None]
    return ", ".join(told) or "its KV cache alone"
