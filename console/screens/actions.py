"""Start, stop, restart, drain and down of the instances in hand: menu → plan → question → apply."""

from collections.abc import Sequence

from textual.binding import Binding

from console.owned import profile_of, whole_profile
from console.render.consequence import DOWN, aftermath, consequence
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.screens.logs import LogsScreen
from console.store import Key
from profiles.plan import Action, Plan
from profiles.verb_plan import Verb

GLANCE_S = 5.0
READABLE_S = 12.0
"""How long a result stays on the screen."""

_VERBS = {"1": Verb.START, "2": Verb.STOP, "3": Verb.RESTART, "4": Verb.DRAIN}
_DOWN, _DOWN_ALL = "5", "6"

ACTION_BINDINGS = [
    Binding("x", "act", "actions", id="instance.act", tooltip="Start, stop, restart, drain it, or take it down"),
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
        profile = profile_of(self.session.store, targets[0])
        choices = [(sign, str(verb)) for sign, verb in _VERBS.items()]
        it = "it" if len(targets) == 1 else "them"
        choices += [(_DOWN, f"take {it} down: stop {it} and forget {it}"), (_DOWN_ALL, f"take down all of {profile}")]

        def chosen(sign: str | None) -> None:
            if sign in _VERBS:
                self._ask(_VERBS[sign], targets)
            elif sign:
                self._ask(DOWN, targets if sign == _DOWN else whole_profile(self.session.store, profile))

        self.app.push_screen(Dialog([((_called(targets), Tone.PLAIN),)], choices, safe="nothing"), chosen)

    def _ask(self, what: Verb | str, targets: Sequence[Key]) -> None:
        """`what` is a verb, or DOWN."""
        operations, store = self.session.operations, self.session.store
        if operations is None:
            return
        pairs = [(key.node, key.name) for key in targets]
        if isinstance(what, Verb):
            plan = operations.propose(what, pairs)
        else:
            plan = operations.propose_down(profile_of(store, targets[0]), set(pairs))
        if plan.blockers:
            first = plan.blockers[0]
            self._say(f"{first.text}. {first.hint}", bad=True)
            return
        if not plan.changes_anything:
            self._say(f"{_called(targets)}: already asked to, nothing to {what}.")
            return
        lines: list[Line] = [((consequence(what, plan, store), Tone.PLAIN),)]
        if what == DOWN:
            lines += [((text, Tone.PLAIN),) for text in aftermath(store, plan)]

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.run_worker(self._apply(what, plan), exit_on_error=True)

        changed = sum(step.action is not Action.KEEP for step in plan.steps)
        self.app.push_screen(Dialog(lines, [("y", f"yes, {what} {'it' if changed == 1 else 'them'}")]), answered)

    async def _apply(self, what: str, plan: Plan) -> None:
        operations = self.session.operations
        if operations is None:
            return
        for applied in await operations.apply(plan, f"{what} from the console"):
            if applied.ok:
                changed = [step for step in plan.steps if step.node == applied.node and step.action is not Action.KEEP]
                self._say(f"{applied.node} will {what} {', '.join(step.instance for step in changed)}.")
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
