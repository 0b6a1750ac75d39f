"""How fast objectives are used up, of one instance or of the worst of several, over a minute, five and an hour."""

from collections.abc import Iterable

from console.render import text
from console.render.table import Cell, Tone
from console.store import NodeView
from profiles.latency.burn import WINDOWS_S, Burn, burn, worst
from profiles.latency.objectives import ERRORS, READY
from profiles.observed.status import InstanceStatus

BAD_TIMES, WARN_TIMES = 10.0, 1.0
"""At ten times what is allowed, a day's allowance is gone in little more than two hours."""

Burns = tuple[Burn | None, ...]
"""One for each of WINDOWS_S; None where nothing is promised, or nothing was asked."""

NOTHING: Burns = (None,) * len(WINDOWS_S)


def burns(view: NodeView, status: InstanceStatus) -> Burns:
    """The worst of its objectives in each window."""
    owned = view.desired.instances.get(status.name)
    allowed = owned.spec.slo.allowed() if owned else {}
    counted = {name: misses for name, misses in status.misses.items() if name in allowed}
    return tuple(
        worst(burn(misses[at], allowed[name]) for name, misses in counted.items() if at < len(misses))
        for at in range(len(WINDOWS_S))
    )


def node_burns(view: NodeView) -> Burns:
    """Of the instance that is worst off in each window."""
    return worst_of(burns(view, status) for status in view.instances.values())


def burning(view: NodeView, status: InstanceStatus) -> str:
    """Which of its objectives it burns most in the last minute: `TTFT p95 over 800 ms`."""
    owned = view.desired.instances.get(status.name)
    if owned is None:
        return ""
    slo = owned.spec.slo
    allowed = slo.allowed()
    found = [(rate.low, name) for name, misses in status.misses.items()
             if name in allowed and misses and (rate := burn(misses[0], allowed[name])) is not None]  # fmt: skip
    if not found:
        return ""
    name = max(found)[1]
    words = {ERRORS: f"more than {percent_of(slo.errors_ratio)} of requests fail", READY: "too long away"}
    words |= {one.name: f"{one.field.upper()} {one.name.rpartition('_')[2]} over {text.latency(one.target_s)}"
              for one in slo.latency}  # fmt: skip
    return words.get(name, "")


def percent_of(ratio: float | None) -> str:
    """`0.1%`: an allowed share is small, and none of its digits is noise."""
    return text.UNKNOWN if ratio is None else f"{ratio * 100:g}%"


def worst_of(several: Iterable[Burns]) -> Burns:
    """Of the replicas of a service: an average would hide the one that hurts."""
    columns = list(zip(*several, strict=True)) or [()] * len(WINDOWS_S)
    return tuple(map(worst, columns))


def burn_cell(found: Burn | None) -> Cell:
    """`20.0×`, or `1.3–2.0×` where a bucket leaves it open."""
    if found is None:
        return Cell(text.UNKNOWN, tone=Tone.DIM)
    tone = Tone.BAD if found.low >= BAD_TIMES else Tone.WARN if found.low >= WARN_TIMES else Tone.PLAIN
    return Cell(times(found), found.low, tone)


def times(found: Burn) -> str:
    low, high = (_digits(value) for value in (found.low, found.high))
    return f"{low}×" if low == high else f"{low}–{high}×"


def _digits(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
