"""A plan: read it, open its steps, keep it, apply it. It is applied with `A` alone, and only while it still stands.

make ──► shown ──A──► applied, and left        a node changed meanwhile ──► stale: A is refused, r makes it anew
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from textual.app import SuspendNotSupported
from textual.binding import Binding

from console import editor
from console.handedits import told
from console.keyboard import OneKeyAtATime
from console.planfile import keep
from console.render.fit import Line
from console.render.plan_steps import entries
from console.render.planpage import Page, plan_page
from console.render.table import Tone
from console.render.text import one_line
from console.screens.detail import DetailScreen
from console.screens.session import OperationsDoor, Session
from console.screens.step import StepScreen
from console.spending import of_plan
from console.store import Key
from console.widgets.lines import Lines
from profiles.desired.model import Desired
from profiles.files.extends import read_profile
from profiles.files.load import parse_profile
from profiles.money.plan_money import PlanMoney
from profiles.observed.status import Reason
from profiles.plans.plan import Plan
from profiles.revisions.saved_plan import Seen, moved_on, seen
from profiles.text.document import FileError

READABLE_S = 12.0


class Proposal(NamedTuple):
    """Where a plan comes from. `make` may raise FileError; `reason` is for the record of the nodes; `file` is the
    profile that it is made from, where there is one."""

    reason: str
    make: Callable[[], Plan]
    file: Path | None = None


def from_file(operations: OperationsDoor, path: Path) -> Proposal:
    """To make the nodes run what the profile at `path` says."""

    def make() -> Plan:
        document = read_profile(path)
        return operations.propose_profile(parse_profile(document), document.text)

    return Proposal(f"apply {path}", make, path)


class PlanScreen(DetailScreen):
    BINDINGS = [
        Binding("A", "apply", "apply", id="plan.apply", tooltip="Carry the plan out, as it is shown"),
        Binding("enter", "open", "open a step", id="plan.open", tooltip="One entry in full: keys, memory, requests"),
        Binding("j,down", "move(1)", "next", id="plan.down", show=False, priority=True, tooltip="The next entry"),
        Binding("k,up", "move(-1)", "previous", id="plan.up", show=False, priority=True, tooltip="The entry before"),
        Binding("w", "keep", "save", id="plan.keep", tooltip="Keep it in a file, for `gpuyard apply --plan`"),
        Binding("e", "edit", "edit", id="plan.edit", tooltip="The profile in your own editor, then the plan anew"),
        Binding("r", "again", "plan anew", id="plan.again", tooltip="Make the plan on the cluster as it is now"),
    ]

    def __init__(self, session: Session, proposal: Proposal) -> None:
        super().__init__(session)
        self.proposal = proposal
        self.plan = Plan(title="", steps=(), nodes=())
        self.crumb = "plan"
        self._money = PlanMoney()
        self._seen: dict[str, Seen] = {}
        self._made_on: dict[str, Desired] = {}
        self._told_stale: tuple[Reason, ...] = ()
        self._problem: FileError | None = None
        self._cursor = 0
        self._painted_at: float | None = None
        self._applying = False

    def on_mount(self) -> None:
        self.action_again()
        self.call_after_refresh(self._arm)

    def _arm(self) -> None:
        self._painted_at = time.monotonic()

    def lines(self) -> list[Line]:
        return self._page().lines

    def _page(self) -> Page:
        if self._problem is not None:
            hint = f" — {self._problem.hint}" if self._problem.hint else ""
            return Page([((f"  ! {one_line(f'{self._problem}{hint}')}", Tone.BAD),)], [])
        self._told_stale = self._stale()
        return plan_page(self.plan, self._money, self._told_stale, self._cursor, self.size.width)

    def take(self, dirty: set[Key]) -> None:
        if self._stale() != self._told_stale:
            self.fill()
            self.show_keys()

    def _stale(self) -> tuple[Reason, ...]:
        """A document that is the very same one is not read again."""
        now = {name: view.desired for name, view in self.session.store.nodes.items()}
        return moved_on(self._seen, {name: one for name, one in now.items() if one is not self._made_on.get(name)})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.proposal.file is not None if action == "edit" else super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        if action not in ("apply", "keep"):
            return super().why_not(action)
        if self._problem is not None or self.plan.blockers:
            return "something is in the way of this plan: see above"
        if not self.plan.changes_anything:
            return "there is nothing to do"
        if self._stale():
            return "a node was changed since it was made: r plans anew"
        if action == "keep":
            return ""
        if self._applying:
            return "it is being applied"
        return next(filter(None, (self.session.why_not(edit.node) for edit in self.plan.nodes)), "")

    def action_again(self) -> None:
        """On the cluster as it is now."""
        self._problem = None
        try:
            self._take(self.proposal.make())
        except FileError as error:
            self._problem = error
        self.fill()
        self.show_keys()
        if self.session.fleet is not None and self._problem is None:
            self.run_worker(self._tell_hand_edits(), exclusive=True, exit_on_error=True, group="hand edits")

    def _take(self, plan: Plan) -> None:
        store = self.session.store
        self.plan, self._money = plan, of_plan(store, plan)
        self._made_on = {view.name: view.desired for view in store.nodes.values()}
        self._seen = seen(plan, self._made_on)
        self._cursor = min(self._cursor, max(0, len(entries(plan)) - 1))
        self.crumb = f"plan › {plan.title}"

    async def _tell_hand_edits(self) -> None:
        fleet, plan = self.session.fleet, self.plan
        if fleet is None:
            return
        marked = await told(fleet, self.session.store, plan)
        if self.plan is plan:
            self.plan = marked
            self.fill()

    def action_move(self, by: int) -> None:
        at = self._page().at
        if at:
            self._cursor = max(0, min(len(at) - 1, self._cursor + by))
            page = self._page()
            self.fill()
            detail = self.query_one("#detail", Lines)
            top, rows = int(detail.scroll_offset.y), detail.size.height
            line, last = page.at[self._cursor], len(page.lines) - 1
            end = page.at[self._cursor + 1] - 1 if self._cursor + 1 < len(page.at) else last
            if line < top or end >= top + rows:
                detail.scroll_to(y=line if line < top else min(line, end - rows + 1), animate=False)

    def action_open(self) -> None:
        found = entries(self.plan)
        if found and self._problem is None:
            self.app.push_screen(StepScreen(self.session, self.plan, found[self._cursor]))

    def action_keep(self) -> None:
        if refusal := self.why_not("keep"):
            self._say(f"Not saved: {refusal}.", bad=True)
            return
        path = Path.cwd() / f"plan-{re.sub('[^A-Za-z0-9]+', '-', self.plan.title).strip('-')}.json"
        try:
            keep(path, self.plan, self.session.store, self.proposal.reason)
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror or error}", bad=True)
        else:
            self._say(f"Saved: `gpuyard apply --plan {path}` does just this.")

    def action_edit(self) -> None:
        if self.proposal.file is not None:
            self.run_worker(self._edit(self.proposal.file), exit_on_error=True, exclusive=True, group="edit")

    async def _edit(self, path: Path) -> None:
        try:
            with self.app.batch_update(), self.app.suspend():
                ended = await editor.edit(path)
        except SuspendNotSupported:
            self._say("this terminal cannot be given to another program", bad=True)
            return
        self.app.refresh(layout=True)
        if ended.problem:
            self._say(ended.problem, bad=True)
        self.action_again()

    def action_apply(self) -> None:
        """Keys that were typed before the plan was on the screen say nothing about it."""
        pressed_at = self.app.pressed_at_s if isinstance(self.app, OneKeyAtATime) else None
        if self._painted_at is None or (pressed_at is not None and pressed_at < self._painted_at):
            return
        if refusal := self.why_not("apply"):
            self._say(f"Nothing is applied: {refusal}.", bad=True)
            return
        self._applying = True
        if self.plan.rollout is not None and self.session.fleet is not None:
            from console.screens.apply import ApplyScreen

            self.app.switch_screen(ApplyScreen(self.session, self.plan, self.proposal.reason))
        else:
            self.run_worker(self._apply(self.plan), exit_on_error=True)

    async def _apply(self, plan: Plan) -> None:
        operations = self.session.operations
        if operations is None:
            return
        refused = False
        for applied in await operations.apply(plan, self.proposal.reason):
            if not applied.ok:
                refused, why = True, applied.reason
                self._say(f"{applied.node} refused: {why.text}. {why.hint}" if why else "refused", bad=True)
        self._applying = False
        if not refused:
            self._say(f"{plan.title} is applied: the nodes carry it out.")
            if self.is_current:
                self.app.pop_screen()

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
