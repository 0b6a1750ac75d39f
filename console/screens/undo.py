"""Undo from a screen: name what is taken back and what follows, ask, apply."""

from textwrap import wrap

from textual.screen import Screen

from console.remote.errors import RequestFailed
from console.render.fit import Line
from console.render.plan import plan_lines
from console.render.revisions import undone_lines
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.dialog import Dialog
from console.screens.session import Session
from console.store import NodeView, Store
from console.undo import Undo, propose_undo
from profiles.plans.plan import Action

READABLE_S = 12.0
WIDTH = 76
SHOWN_STEPS = 12


def last_changed(store: Store) -> str:
    """The node whose document was changed last; "" when none is there."""
    views = [view for view in store.nodes.values() if view.counted]
    return max(views, key=_changed_at, default=NodeView("")).name


async def undo_on(screen: Screen[None], session: Session, node: str) -> None:
    """Ask the node what was, and the person whether to go back there."""
    fleet = session.fleet
    if fleet is None:
        return
    try:
        undo = await propose_undo(fleet, session.store, node)
    except RequestFailed as failed:
        _say(screen, f"{node}: {failed.reason.text}. {failed.reason.hint}", bad=True)
        return
    if undo.plan.blockers:
        first = undo.plan.blockers[0]
        _say(screen, f"{node}: {first.text}. {first.hint}", bad=True)
        return

    def answered(answer: str | None) -> None:
        if answer == "y":
            screen.run_worker(_apply(screen, session, undo), exit_on_error=True)

    screen.app.push_screen(Dialog(list(_lines(undo, session.store.wall())), [("y", "yes, undo it")]), answered)


async def _apply(screen: Screen[None], session: Session, undo: Undo) -> None:
    operations = session.operations
    if operations is None:
        return
    for applied in await operations.apply(undo.plan, undo.reason):
        if applied.ok:
            _say(screen, f"{applied.node} goes back to what was before generation {undo.undone[-1].generation}.")
        else:
            reason = applied.reason
            _say(screen, f"{applied.node} refused: {reason.text}. {reason.hint}" if reason else "refused", bad=True)


def _lines(undo: Undo, now_unix_s: float) -> list[Line]:
    lines: list[Line] = []
    for text in undone_lines(undo, now_unix_s):
        lines += [((part, Tone.PLAIN),) for part in wrap(text, WIDTH)]
    steps = list(plan_lines(undo.plan))
    more = len(steps) - SHOWN_STEPS
    lines += [(), *(((text[:WIDTH], Tone.DIM),) for text in steps[:SHOWN_STEPS])]
    if more > 0:
        lines.append(((f"  … {more} more lines: `gpuyard undo {undo.node}` shows them all", Tone.DIM),))
    stops = sum(step.action in (Action.STOP, Action.PRUNE, Action.REPLACE, Action.MOVE) for step in undo.plan.steps)
    if stops:
        text = f"{plural(stops, 'instance')} will stop or start anew: what runs there now is drained first."
        lines += [(), ((text, Tone.WARN),)]
    return lines


def _changed_at(view: NodeView) -> float:
    return view.desired.at_unix_s - view.clock_skew_s


def _say(screen: Screen[None], text: str, *, bad: bool = False) -> None:
    screen.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
