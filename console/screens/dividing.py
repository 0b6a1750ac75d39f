"""The MIG layout of the GPU in hand: what is wanted → plan → `A` applies it, and each end is told.

m ──► stuck?  resume, roll back          m ──► `1x3g.40gb 3x1g.10gb`, `off` or `undo` ──► plan ──► A
"""

from collections.abc import Coroutine
from functools import partial
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from console.dividing import apply_layout, follow, plan_layout, plan_undo, records, settle_layout
from console.remote.errors import RequestFailed
from console.render.fit import Line
from console.render.layout import change_line, change_reason, layout_plan_lines
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.base import YardScreen
from console.screens.dialog import MARGIN, WIDTH, Dialog
from console.screens.session import FleetDoor
from console.store import Key
from console.widgets.lines import Lines
from profiles.gpu.repartition import ChangePhase, GpuChange, GpuPlan
from profiles.observed import mig
from profiles.observed.status import Role

READABLE_S = 12.0
EXAMPLE = "1x3g.40gb 3x1g.10gb, off, or undo"

DIVIDE_BINDINGS = [
    Binding("m", "divide", "MIG", id="gpu.divide", tooltip="Divide it by MIG: an admin's, by plan"),
]


class LayoutPrompt(ModalScreen[str]):
    """What a GPU is to be divided into, as a person writes it; "" for nothing."""

    BINDINGS = [Binding("escape", "leave", "leave it", id="prompt.leave", tooltip="Change nothing")]

    def __init__(self, gpu: str) -> None:
        super().__init__()
        self._gpu = gpu

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Lines(id="said")
            yield Input(placeholder=EXAMPLE, id="layout", compact=True)

    def on_mount(self) -> None:
        self.query_one(Lines).show([((f"Divide {self._gpu} by MIG into what?", Tone.PLAIN),), ()])
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        self.dismiss("")


class DividesGpus(YardScreen):
    """A screen whose rows are GPUs."""

    def gpu_in_hand(self) -> Key | None:
        return self.rows.cursor if self.rows is not None else None

    def why_not(self, action: str) -> str:
        if action != "divide":
            return super().why_not(action)
        key = self.gpu_in_hand()
        if key is None:
            return "no GPU is selected"
        if refusal := self.session.why_not(key.node):
            return refusal
        view = self.session.store.nodes[key.node]
        if view.role is not Role.ADMIN:
            return f"your role on {key.node} is {view.role}: an admin may divide GPUs"
        gpu = view.gpus.get(key.name)
        return "" if gpu and gpu.mig else "this GPU knows no MIG"

    def action_divide(self) -> None:
        key, refusal = self.gpu_in_hand(), self.why_not("divide")
        if key is None or refusal or self.session.fleet is None:
            self.notify(f"Nothing can be divided: {refusal}.", severity="warning", markup=False)
            return
        self.run_worker(self._begin(self.session.fleet, key), exit_on_error=True)

    async def _begin(self, fleet: FleetDoor, key: Key) -> None:
        try:
            known = {one.gpu_uuid: one.change for one in await records(fleet, key.node)}
        except RequestFailed as failed:
            self._say_failed(failed)
            return
        change = known.get(key.name)
        if change is None or change.phase is not ChangePhase.STUCK:
            self.app.push_screen(LayoutPrompt(self._called(key)), partial(self._planned, fleet, key))
            return
        text = f"{self._called(key)} {change_line(change)}: {change_reason(change)}"
        choices = [("r", "go on with it"), ("b", "go back to the layout before")]
        self.app.push_screen(Dialog([((text, Tone.WARN),)], choices), partial(self._settled, fleet, key))

    def _planned(self, fleet: FleetDoor, key: Key, wanted: str | None) -> None:
        if wanted:
            self.run_worker(self._plan(fleet, key, wanted), exit_on_error=True)

    async def _plan(self, fleet: FleetDoor, key: Key, wanted: str) -> None:
        try:
            if wanted == "undo":
                plan = await plan_undo(fleet, key.node, key.name)
            else:
                request = None if wanted == "off" else mig.request(wanted.split())
                plan = await plan_layout(fleet, key.node, key.name, request)
        except ValueError as error:
            self._say(str(error), bad=True)
        except RequestFailed as failed:
            self._say_failed(failed)
        else:
            self._ask(fleet, key, plan)

    def _ask(self, fleet: FleetDoor, key: Key, plan: GpuPlan) -> None:
        width = min(WIDTH, self.app.size.width - MARGIN)
        lines: list[Line] = [((text, Tone.PLAIN),) for text in layout_plan_lines(key.node, plan, width)]
        choices = []
        if plan.plan.changes and not plan.foreign and not plan.missing:
            ends = f", which ends {plural(len(plan.drained), 'instance')}: drained first" if plan.drained else ""
            choices = [("A", f"apply it{ends}")]

        def answered(answer: str | None) -> None:
            if answer == "A":
                begin = partial(apply_layout, fleet, key.node, plan, "divided from the console", drain=True)
                self.run_worker(self._carry(fleet, key, begin()), exit_on_error=True)

        self.app.push_screen(Dialog(lines, choices), answered)

    def _settled(self, fleet: FleetDoor, key: Key, answer: str | None) -> None:
        if answer in ("r", "b"):
            begin = settle_layout(fleet, key.node, key.name, back=answer == "b")
            self.run_worker(self._carry(fleet, key, begin), exit_on_error=True)

    async def _carry(self, fleet: FleetDoor, key: Key, begin: Coroutine[Any, Any, GpuChange]) -> None:
        """To its end, which comes also without this screen."""
        try:
            asked = await begin
            self._say(f"{self._called(key)} is divided anew: `events` tells its course.")
            ended = asked
            async for now in follow(fleet, key.node, key.name):
                ended = now
        except RequestFailed as failed:
            self._say_failed(failed)
            return
        why = change_reason(ended)
        bad = ended.phase is ChangePhase.STUCK or ended.rolling_back is not asked.rolling_back
        self._say(f"{self._called(key)} {change_line(ended)}{f': {why}' if why else ''}", bad=bad)

    def _called(self, key: Key) -> str:
        gpu = self.session.store.nodes[key.node].gpus.get(key.name)
        return f"{key.node}/{gpu.index}" if gpu else key.name

    def _say_failed(self, failed: RequestFailed) -> None:
        self._say(f"{failed.reason.text}. {failed.reason.hint}", bad=True)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)
