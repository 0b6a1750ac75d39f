"""Alerts as rows, as the line of pulse, and as one line for who is called."""

from collections.abc import Sequence

from rich.cells import cell_len

from console.render.figures import moment
from console.render.fit import Line, fit
from console.render.table import Cell, Column, Tone
from console.render.text import age, clock, one_line
from profiles.observed.finding import Severity
from profiles.watching.alerts import Alert, Stage

ALERT_COLUMNS = (
    Column("stage", "Alert", 8, priority=1),
    Column("rule", "Rule", 12, priority=1, names=True),
    Column("target", "Target", 14, priority=2, names=True),
    Column("since", "Since", 8, priority=2),
    Column("age", "Age", 6, right=True, priority=3, is_time=True, ages=True),
    Column("text", "What", 20, priority=1, grow=True),
    Column("quiet", "In hand", 10, priority=1),
)


def tone_of(alert: Alert) -> Tone:
    if alert.stage is not Stage.FIRING:
        return Tone.DIM
    return Tone.BAD if alert.severity is Severity.PROBLEM else Tone.WARN


def alert_cells(alert: Alert, quiet: str, now_unix_s: float) -> list[Cell]:
    since_s = now_unix_s - alert.since_unix_s
    return [
        Cell(alert.stage, float(alert.stage is not Stage.FIRING), Tone.DIM if quiet else tone_of(alert)),
        Cell(alert.rule, alert.rule),
        Cell(alert.target, alert.target),
        Cell(moment(alert.since_unix_s, now_unix_s), alert.since_unix_s),
        Cell(age(since_s), since_s),
        Cell(one_line(alert.text), alert.text),
        Cell(quiet, quiet, Tone.DIM),
    ]


def alert_line(alerts: Sequence[Alert], quiet: int, width: int) -> list[Line]:
    """` Alerts 3   1 …   2 …   2 in hand`; no line where nobody is called and nothing is in hand."""
    if not alerts and not quiet:
        return []
    tail = f"   {quiet} in hand or silenced" if quiet else ""
    spans: list[tuple[str, Tone]] = [(f" Alerts {len(alerts)}", Tone.BAD if alerts else Tone.DIM)]
    room = width - len(spans[0][0]) - len(tail) - 12
    for at, alert in enumerate(alerts, 1):
        text = f"   {at} {one_line(alert.text)}"
        if cell_len(text) > room and at > 1:
            spans.append((f"   … {len(alerts) - at + 1} more", Tone.DIM))
            break
        shown = fit(text, max(1, min(room, cell_len(text))))
        spans.append((shown, tone_of(alert)))
        room -= cell_len(shown)
    return [(*spans, (tail, Tone.DIM))]


def event_line(alert: Alert, at_unix_s: float) -> str:
    """`14:06:20 firing problem burn fra-1:chat/0: chat/0 on fra-1 burns 20×`."""
    what = f"{alert.stage} {alert.severity} {alert.rule} {alert.target}"
    return one_line(f"{clock(at_unix_s)} {what}: {alert.text}")
