"""Start, stop and restart of one instance: menu → plan → question → apply."""

from textual.binding import Binding

from console.render.consequence import consequence
from console.render.table import Tone
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.screens.logs import LogsScreen
from console.store import Key
from profiles.plan import Plan, Verb

READABLE_S = 12.0
"""How long a result stays on the screen."""

_MENU = {"1": Verb.START, "2": Verb.STOP, "3": Verb.RESTART}

ACTION_BINDINGS = [
    Binding("x", "act", "actions", id="instance.act", tooltip="Start, stop or restart it"),
    Binding("l", "log", "log", id="instance.log", tooltip="Read its log"),
]


class ActsOnInstance(YardScreen):
    """A screen with an instance in hand."""

    def target(self) -> Key | None:
        """The instance that the next action is about."""
        raise NotImplementedError

    def action_log(self) -> None:
        key = self.target()
        if key is not None:
            self.app.push_screen(LogsScreen(self.session, key))

    def action_act(self) -> None:
        key = self.target()
        if key is None:
            return
        refusal = self.session.why_not(key.node)
        if refusal:
            self._say(f"Nothing can be changed: {refusal}.", bad=True)
            return
        lines = [((f"{key.name} on {key.node}", Tone.PLAIN),)]
        choices = [(sign, str(verb)) for sign, verb in _MENU.items()]

        def chosen(sign: str | None) -> None:
            if sign:
                self._ask(_MENU[sign], key)

        self.app.push_screen(Dialog(lines, choices, safe="nothing"), chosen)

    def _ask(self, verb: Verb, key: Key) -> None:
        operations = self.session.operations
        if operations is None:
            return
        plan = operations.propose(verb, [(key.node, key.name)])
        if plan.blockers:
            first = plan.blockers[0]
            self._say(f"{first.text}. {first.hint}", bad=True)
            return
        if not plan.changes_anything:
            self._say(f"{key.name} on {key.node} is already asked to: nothing to {verb}.")
            return
        lines = [((consequence(verb, plan, self.session.store), Tone.PLAIN),)]

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.run_worker(self._apply(verb, plan, key), exit_on_error=True)

        self.app.push_screen(Dialog(lines, [("y", f"yes, {verb} it")]), answered)

    async def _apply(self, verb: Verb, plan: Plan, key: Key) -> None:
        operations = self.session.operations
        if operations is None:
            return
        for applied in await operations.apply(plan, f"{verb} from the console"):
            if applied.ok:
                self._say(f"{applied.node} will {verb} {key.name}.")
            else:
                reason = applied.reason
                self._say(f"{applied.node} refused: {reason.text}. {reason.hint}" if reason else "refused", bad=True)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.notify(text, severity="error" if bad else "information", timeout=READABLE_S, markup=False)
