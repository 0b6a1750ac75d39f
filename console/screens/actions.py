"""Start, stop, restart and drain of the instances in hand: menu → plan → question → apply."""

from collections.abc import Sequence

from textual.binding import Binding

from console.render.consequence import consequence
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.screens.logs import LogsScreen
from console.store import Key
from profiles.plan import Plan, Verb

GLANCE_S = 5.0
READABLE_S = 12.0
"""How long a result stays on the screen."""

_MENU = {"1": Verb.START, "2": Verb.STOP, "3": Verb.RESTART, "4": Verb.DRAIN}

ACTION_BINDINGS = [
    Binding("x", "act", "actions", id="instance.act", tooltip="Start, stop, restart or drain it"),
    Binding("l", "log", "log", id="instance.log", tooltip="Read its log"),
]


class ActsOnInstances(YardScreen):
    """A screen with an instance in hand, or all those of a service."""

    def targets(self) -> Sequence[Key]:
        """The instances that the next action is about."""
        raise NotImplementedError

    def read_first(self) -> Key | None:
        """The instance whose log is opened."""
        return next(iter(self.targets()), None)

    def why_not(self, action: str) -> str:
        if action not in ("act", "log"):
            return super().why_not(action)
        targets = self.targets()
        if not targets:
            return "no instance is selected"
        return next(filter(None, (self.session.why_not(key.node) for key in targets)), "") if action == "act" else ""

    def action_log(self) -> None:
        key = self.read_first()
        if key is not None:
            self.app.push_screen(LogsScreen(self.session, key))

    def action_act(self) -> None:
        refusal, targets = self.why_not("act"), self.targets()
        if refusal:
            self.notify(f"Nothing can be changed: {refusal}.", severity="warning", timeout=GLANCE_S, markup=False)
            return
        choices = [(sign, str(verb)) for sign, verb in _MENU.items()]

        def chosen(sign: str | None) -> None:
            if sign:
                self._ask(_MENU[sign], targets)

        self.app.push_screen(Dialog([((_called(targets), Tone.PLAIN),)], choices, safe="nothing"), chosen)

    def _ask(self, verb: Verb, targets: Sequence[Key]) -> None:
        operations = self.session.operations
        if operations is None:
            return
        plan = operations.propose(verb, [(key.node, key.name) for key in targets])
        if plan.blockers:
            first = plan.blockers[0]
            self._say(f"{first.text}. {first.hint}", bad=True)
            return
        if not plan.changes_anything:
            self._say(f"{_called(targets)}: already asked to, nothing to {verb}.")
            return
        lines = [((consequence(verb, plan, self.session.store), Tone.PLAIN),)]

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.run_worker(self._apply(verb, plan), exit_on_error=True)

        self.app.push_screen(Dialog(lines, [("y", f"yes, {verb} {'it' if len(targets) == 1 else 'them'}")]), answered)

    async def _apply(self, verb: Verb, plan: Plan) -> None:
        operations = self.session.operations
        if operations is None:
            return
        for applied in await operations.apply(plan, f"{verb} from the console"):
            if applied.ok:
                names = [step.instance for step in plan.steps if step.node == applied.node]
                self._say(f"{applied.node} will {verb} {', '.join(names)}.")
            else:
                reason = applied.reason
                self._say(f"{applied.node} refused: {reason.text}. {reason.hint}" if reason else "refused", bad=True)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)


def _called(targets: Sequence[Key]) -> str:
    """`llama-70b/0 on fra-1`, or `llama-70b: 3 instances on 2 nodes`."""
    first = targets[0]
    if len(targets) == 1:
        return f"{first.name} on {first.node}"
    nodes = plural(len({key.node for key in targets}), "node")
    return f"{first.name.rpartition('/')[0]}: {plural(len(targets), 'instance')} on {nodes}"
