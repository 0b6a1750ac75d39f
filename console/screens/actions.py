"""What is done with the instances in hand: menu → plan → question → apply, or an act of their engines."""

from collections.abc import Callable, Sequence
from functools import partial

from textual.binding import Binding

from console.controlling import perform
from console.owned import profile_of, whole_profile
from console.remote.errors import RequestFailed
from console.render.consequence import DOWN, aftermath, consequence
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.actmenu import DOWN_ALL, menu
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.screens.logs import LogsScreen
from console.screens.plan import PlanScreen, Proposal
from console.store import Key
from engines.control import Act
from profiles.plans.plan import Action, Plan
from profiles.plans.verb_plan import Verb

GLANCE_S = 5.0
READABLE_S = 12.0
"""How long a result stays on the screen."""

ACTION_BINDINGS = [
    Binding(
        "x",
        "act",
        "actions",
        id="instance.act",
        tooltip="Start, stop, drain it, let it sleep, take it down",
    ),
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
        store, found = self.session.store, menu(self.session.store, targets)

        def chosen(sign: str | None) -> None:
            what = found.does.get(sign or "")
            if isinstance(what, Act):
                self.run_worker(self._perform(what, targets), exit_on_error=True)
            elif what == DOWN_ALL:
                self._ask(DOWN, whole_profile(store, profile_of(store, targets[0])))
            elif what:
                self._ask(what, targets)

        lines = [((_called(targets), Tone.PLAIN),)]
        self.app.push_screen(Dialog(lines, found.choices, safe="nothing", dimmed=found.dimmed), chosen)

    def _ask(self, what: Verb | str, targets: Sequence[Key]) -> None:
        """`what` is a verb, or DOWN."""
        operations, store = self.session.operations, self.session.store
        if operations is None:
            return
        pairs = [(key.node, key.name) for key in targets]
        make: Callable[[], Plan]
        if isinstance(what, Verb):
            make = partial(operations.propose, what, pairs)
        else:
            make = partial(operations.propose_down, profile_of(store, targets[0]), set(pairs))
        plan = make()
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
            elif answer == "p":
                self.app.push_screen(PlanScreen(self.session, Proposal(f"{what} from the console", make)))

        changed = sum(step.action is not Action.KEEP for step in plan.steps)
        it = "it" if changed == 1 else "them"
        yes = f"yes, let {it} sleep" if what == Verb.SLEEP else f"yes, {what} {it}"
        self.app.push_screen(Dialog(lines, [("y", yes), ("p", "the whole plan, step by step")]), answered)

    async def _perform(self, act: Act, targets: Sequence[Key]) -> None:
        fleet = self.session.fleet
        if fleet is None:
            return
        for key in targets:
            try:
                await perform(fleet, key.node, key.name, act)
            except RequestFailed as failed:
                self._say(f"{key.name} on {key.node}: {failed.reason.text}. {failed.reason.hint}", bad=True)
            else:
                self._say(f"{key.name} on {key.node}: {act} is done.")

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
