"""An apply while it goes on: a bar for each instance, the waves so far, the last line of a log.

began ──► waves ──► done, or rolled back          esc leaves once it is over
            └─ p ─► paused ─► g on · B back · esc leaves it, open on its nodes
"""

import asyncio
from collections.abc import Sequence

from textual.binding import Binding

from console.holding import NotHeld, held
from console.operations import Operations
from console.render.fit import Line
from console.render.rollout import course_lines
from console.render.table import Tone
from console.rollout import journal as journals
from console.rollout.course import Course
from console.rollout.lastline import last_line
from console.rollout.rolling import Rolling
from console.rollout.start import journal_of
from console.rollout.told import Outcome, Told
from console.screens.detail import DetailScreen
from console.screens.session import Session
from profiles.observed.status import Reason
from profiles.plans.plan import Plan
from profiles.revisions.applyjournal import ApplyState

LOG_EVERY_S = 1.0


class ApplyScreen(DetailScreen):
    """Begins as soon as it is open. Of a plan without blockers that says how it is rolled out."""

    BINDINGS = [
        Binding("p,ctrl+c", "pause", "pause", key_display="p", id="apply.pause", tooltip="Stop at once, and ask"),
        Binding("g", "decide('g')", "go on", id="apply.go_on", tooltip="Go on with what is paused"),
        Binding("B", "decide('B')", "roll back", id="apply.back", tooltip="Go back to what was before it"),
    ]  # fmt: skip

    def __init__(self, session: Session, plan: Plan, reason: str) -> None:
        super().__init__(session)
        self.plan, self.reason = plan, reason
        self.crumb = f"apply › {plan.title}"
        self.course = Course(session.store.clock)
        self._rolling: Rolling | None = None
        self._refused: list[tuple[str, Reason]] = []
        self._decision: asyncio.Future[str] | None = None
        """While it is paused."""
        self.log_line = ""
        """The last one of what is in hand."""

    def on_mount(self) -> None:
        self.run_worker(self._apply(), name="apply", exit_on_error=True)
        self.run_worker(self._read_log(), name="apply log", exit_on_error=True)

    def lines(self) -> Sequence[Line]:
        head: list[Line] = [((f" {self.plan.title}", Tone.KEY), (f"   {self._state()}", Tone.PLAIN)), ()]
        refused: list[Line] = [
            ((f"  {node}: {reason.text}{f' — {reason.hint}' if reason.hint else ''}", Tone.BAD),)
            for node, reason in self._refused
        ]
        return [*head, *refused, *course_lines(self.course, self.log_line)]

    def _state(self) -> str:
        if self._refused:
            return "nothing was changed"
        if self._decision is not None:
            return "paused: g goes on, B rolls back, esc leaves it so"
        if self.course.over is not None:
            return str(self.course.over.outcome)
        return "p pauses"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "decide":
            return self._decision is not None
        if action == "pause":
            return self._decision is None and self.course.over is None
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        if self._rolling is not None and self._decision is None:
            self._rolling.pause()

    def action_decide(self, answer: str) -> None:
        if self._decision is not None and not self._decision.done():
            self._decision.set_result(answer)

    def action_up(self) -> None:
        if self._decision is not None:
            self.action_decide("leave")
        elif self.course.over is None and not self._refused:
            self.notify("It goes on: p pauses it, then esc leaves it.", markup=False)
            return
        super().action_up()

    async def _apply(self) -> None:
        session, nodes = self.session, {edit.node for edit in self.plan.nodes}
        fleet, expected = session.fleet, {edit.node: edit.expected_generation for edit in self.plan.nodes}
        if fleet is None:
            return
        try:
            async with held(fleet, nodes, self.reason, expected=expected) as tokens:
                wanted = journal_of(self.plan, self.reason, session.store)
                journal, refused = await journals.begin(fleet, wanted, tokens)
                if refused:
                    await journals.note(fleet, wanted, wanted.nodes, tokens, ApplyState.ROLLED_BACK)
                    raise NotHeld(refused)
                self._rolling = Rolling(fleet, session.store, Operations(fleet, session.store), journal, tokens)
                await self._roll(self._rolling)
        except NotHeld as others:
            self._refused = [(one.node, one.reason) for one in others.refused if one.reason]
        self._redraw()

    async def _roll(self, rolling: Rolling) -> None:
        back = False
        while True:
            async for told in rolling.back() if back else rolling.forward():
                self._take(told)
            over = self.course.over
            if over is None or over.outcome is not Outcome.PAUSED:
                return
            self._decision = asyncio.get_running_loop().create_future()
            self._redraw()
            answer = await self._decision
            self._decision = None
            if answer == "leave":
                return
            back = answer == "B" or over.back

    def _take(self, told: Told) -> None:
        self.course.take(told)
        self._redraw()

    def _redraw(self) -> None:
        if self.composed:
            self.fill()
            self.show_keys()

    async def _read_log(self) -> None:
        while self.course.over is None or self._decision is not None:
            if (step := self.course.in_hand()) and (fleet := self.session.fleet):
                self.log_line = await last_line(Operations(fleet, self.session.store), step)
            await asyncio.sleep(LOG_EVERY_S)
