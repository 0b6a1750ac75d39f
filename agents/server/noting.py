"""What consoles write down on a node that it cannot see by itself: claims, each with its author."""

import time

from agents import wire
from agents.errors import Refused
from agents.events import KEPT, EventLog
from profiles.money.budgets import KINDS
from profiles.money.money import MICRO
from profiles.observed.finding import Severity
from profiles.observed.status import EventKind

SSH_FAILED = 255
"""How ssh says that it could not connect, or was cut off."""
OVER_BUDGET = "over_budget"
MAX_NAME_CHARS = 200
DAY_S = 86_400.0


def noted(events: EventLog, author: str, ask: wire.NoteShell | wire.NoteBudget, now_unix_s: float) -> wire.AnyAnswer:
    """Raises Refused."""
    match ask:
        case wire.NoteShell():
            events.append(EventKind.AGENT, shell_text(ask, now_unix_s), author=author, code="shell")
            return wire.ShellNoted()
        case wire.NoteBudget():
            return _budget(events, author, ask, now_unix_s)


def shell_text(ask: wire.NoteShell, now_unix_s: float) -> str:
    """`had a shell from 12:01:03 to 12:05:10`, by the node's clock; a claim of who asks."""
    began, ended = (time.localtime(now_unix_s - max(0.0, ago_s)) for ago_s in (ask.began_ago_s, ask.ended_ago_s))
    day = "" if began[:3] == ended[:3] else "%Y-%m-%d "
    what = "ssh failed or was cut off" if ask.status == SSH_FAILED else f"status {ask.status}"
    return f"had a shell from {time.strftime(f'{day}%H:%M:%S', began)} to {time.strftime('%H:%M:%S', ended)} ({what})"


def _budget(events: EventLog, author: str, ask: wire.NoteBudget, now_unix_s: float) -> wire.BudgetNoted:
    """Once a day of UTC for each budget, whoever says it and however often."""
    if ask.kind not in KINDS or not 0 < len(ask.name) <= MAX_NAME_CHARS:
        raise Refused("invalid", f"no budget of a {ask.kind[:40]!r}", f"it is of one of {', '.join(KINDS)}")
    whose = f"{ask.kind} {ask.name} spends "
    midnight_unix_s = now_unix_s // DAY_S * DAY_S
    today = (one for one in events.after(0, 2 * KEPT) if one.at_unix_s >= midnight_unix_s)
    if any(one.code == OVER_BUDGET and one.text.startswith(whose) for one in today):
        return wire.BudgetNoted(anew=False)
    text = f"{whose}{_dollars(ask.microusd_day)} a day of {_dollars(ask.budget_microusd_day)}"
    events.append(EventKind.AGENT, text, author=author, code=OVER_BUDGET, severity=Severity.WARNING)
    return wire.BudgetNoted(anew=True)


def _dollars(micro: int) -> str:
    return f"${micro / MICRO:,.2f}"
