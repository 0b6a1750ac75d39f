"""The whole fleet in a few lines: a cell a GPU, or a cell a node when GPUs do not fit.

Levels are the busy ratio. What is wrong stands as a sign in the row below, so that the level stays.
"""

from collections.abc import Iterable, Mapping

from rich.cells import cell_len

from console.render.cordons import SIGN, is_cordoned
from console.render.fit import Line
from console.render.gpus import is_shared_with_strangers
from console.render.gpusigns import throttled
from console.render.spark import level
from console.render.table import Tone
from console.store import NodeState, NodeView
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import GpuReading, GpuState

IDLE_RATIO = 0.02
_TONES = {"×": Tone.BAD, "!": Tone.BAD, "~": Tone.DIM, "▒": Tone.WARN, SIGN: Tone.PLAIN, " ": Tone.PLAIN}
_WORST = f"×!~▒{SIGN} "
_MEANING = {"▒": "▒ foreign", "!": "! unwell", SIGN: f"{SIGN} cordoned", "~": "~ stale", "×": "× lost"}


def heatmap(nodes: Mapping[str, NodeView], width: int, height: int) -> list[Line]:
    """At most `height` lines, of `width` cells; a last line says how many nodes found no room."""
    if not nodes:
        return []
    lines, grain = _by_gpu(nodes.values(), width, height - 1), "a GPU"
    if len(lines) > height - 1:
        lines, grain = _by_node(nodes.values(), width), "a node"
    legend = _legend(grain, lines, width)
    if len(lines) > height - 1:
        lines = [*lines[: height - 2], ((f" … {len(nodes)} nodes in all: 2 lists them", Tone.DIM),)]
    return [((f" {legend}", Tone.DIM),), *lines]


def _legend(grain: str, lines: Iterable[Line], width: int) -> str:
    """All signs, or those that are drawn where not all of them fit."""
    text = f"A cell {grain}: ▁–█ busy  · idle   below: "
    whole = text + "  ".join(_MEANING.values())
    if cell_len(whole) < width:
        return whole
    drawn = {char for line in lines for span, _ in line for char in span}
    found = "  ".join(meaning for sign, meaning in _MEANING.items() if sign in drawn)
    return text + found if found else text.removesuffix("   below: ")


def _by_gpu(views: Iterable[NodeView], width: int, height: int) -> list[Line]:
    """Blocks of one node's GPUs, named, as many side by side as fit; what is far more than `height` is not drawn on."""
    views = list(views)
    name_width = min(20, max(len(view.name) for view in views))
    gpus = max(max((len(view.gpus) for view in views), default=0), 1)
    block = name_width + 1 + gpus + 3
    across = max(1, (width - 1) // block)
    lines: list[Line] = []
    for start in range(0, len(views), across):
        chunk = views[start : start + across]
        top: list[tuple[str, Tone]] = [(" ", Tone.PLAIN)]
        below: list[tuple[str, Tone]] = [(" ", Tone.PLAIN)]
        for view in chunk:
            readings = sorted(view.gpus.values(), key=lambda reading: reading.index)
            tone = Tone.PLAIN if view.state is NodeState.UP else Tone.DIM
            levels = "".join(_level(reading.busy_ratio) for reading in readings)
            top += [(view.name[:name_width].ljust(name_width + 1), Tone.DIM), (levels.ljust(gpus + 3), tone)]
            below.append((" " * (name_width + 1), Tone.PLAIN))
            below += _signs([_sign(view, reading) for reading in readings] or [_node_sign(view)], gpus + 3)
        lines += _with_signs(top, below)
        if len(lines) > height:
            break
    return lines


def _by_node(views: Iterable[NodeView], width: int) -> list[Line]:
    """A line a site, the mean of each node's GPUs as its level."""
    sites: dict[str, list[NodeView]] = {}
    for view in views:
        sites.setdefault(view.site or "nodes", []).append(view)
    lines: list[Line] = []
    for site, members in sites.items():
        name = f" {site} {len(members)}"[:16].ljust(17)
        room = max(1, width - len(name) - 1)
        for start in range(0, len(members), room):
            chunk = members[start : start + room]
            levels = "".join(_level(_mean(view)) for view in chunk)
            top: list[tuple[str, Tone]] = [(name if not start else " " * len(name), Tone.DIM), (levels, Tone.PLAIN)]
            below: list[tuple[str, Tone]] = [(" " * len(name), Tone.PLAIN)]
            below += _signs([_worst(view) for view in chunk], len(chunk))
            lines += _with_signs(top, below)
    return lines


def _with_signs(top: list[tuple[str, Tone]], below: list[tuple[str, Tone]]) -> list[Line]:
    has_signs = any(text.strip() for text, _ in below)
    return [tuple(top), tuple(below)] if has_signs else [tuple(top)]


def _signs(signs: list[str], width: int) -> list[tuple[str, Tone]]:
    spans = [(sign, _TONES[sign]) for sign in signs]
    return [*spans, (" " * (width - len(signs)), Tone.PLAIN)]


def _level(ratio: float | None) -> str:
    return "?" if ratio is None else "·" if ratio < IDLE_RATIO else level(ratio)


def _mean(view: NodeView) -> float | None:
    known = [reading.busy_ratio for reading in view.gpus.values() if reading.busy_ratio is not None]
    return sum(known) / len(known) if known else None


def _sign(view: NodeView, reading: GpuReading) -> str:
    if view.state in (NodeState.UNREACHABLE, NodeState.REFUSED) or reading.state is GpuState.LOST:
        return "×"
    if throttled(reading) or reading.health in (GpuHealth.DEGRADED, GpuHealth.DRAIN):
        return "!"
    if view.state is NodeState.STALE or reading.state is GpuState.STALE:
        return "~"
    if is_shared_with_strangers(reading):
        return "▒"
    return SIGN if is_cordoned(view, reading.uuid) else " "


def _node_sign(view: NodeView) -> str:
    lost = view.state in (NodeState.UNREACHABLE, NodeState.REFUSED)
    if lost or view.state is NodeState.STALE:
        return "×" if lost else "~"
    return SIGN if is_cordoned(view) else " "


def _worst(view: NodeView) -> str:
    signs = [_sign(view, reading) for reading in view.gpus.values()] or [_node_sign(view)]
    return min(signs, key=_WORST.index)
