"""The key that divides a GPU: what is wanted is asked, the plan is shown, and only `A` applies it."""

from msgspec.structs import replace
from textual.pilot import Pilot

from agents.wire import (
    AnswerT,
    AnyAsk,
    ApplyLayout,
    Delta,
    LayoutChanging,
    LayoutPlanned,
    Layouts,
    PlanLayout,
    ReadLayouts,
    SettleLayout,
)  # fmt: skip
from console.app import Yard
from console.screens.dialog import Dialog
from console.screens.dividing import LayoutPrompt
from console.screens.fractions import FractionsScreen
from console.screens.session import Session
from console.store import Key, Kind, Store
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.gpu.migplan import migration
from profiles.gpu.repartition import Blocker, BlockerKind, ChangePhase, GpuChange, GpuPlan, GpuRecord
from profiles.observed.gpus import MigState
from profiles.observed.mig import MigLayout, layout
from profiles.observed.status import Reason, Role
from tests.console.peer import until
from tests.console.test_dividing import ONES, OTHER, THREE
from tests.fakes.fleet import NOW_UNIX_S, FakeOperations, filled

NODE = "fra-1"
GPU = f"GPU-{NODE}-0"
NOW, THEN = layout([THREE, OTHER]), layout([THREE, *ONES])


class FakeFleet:
    """One node's answers about layouts; what is changed is there at once, or `stuck`."""

    def __init__(self) -> None:
        self.asked: list[AnyAsk] = []
        self.change: GpuChange | None = None
        self.blockers: tuple[Blocker, ...] = ()

    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT:
        self.asked.append(ask)
        made: object
        match ask:
            case PlanLayout():
                plan = GpuPlan(gpu_uuid=GPU, gpu_index=0, plan=migration(NOW, THEN), blockers=self.blockers)
                made = LayoutPlanned(plan=plan)
            case ApplyLayout(wanted=wanted):
                self.change = changed(ChangePhase.READY, wanted)
                made = LayoutChanging(change=replace(self.change, phase=ChangePhase.PLANNED))
            case SettleLayout(back=back):
                self.change = replace(changed(ChangePhase.READY, THEN), rolling_back=back)
                made = LayoutChanging(change=replace(self.change, phase=ChangePhase.PLANNED))
            case _:
                assert isinstance(ask, ReadLayouts)
                made = Layouts(records=(GpuRecord(gpu_uuid=GPU, gpu_index=0, change=self.change),))
        assert isinstance(made, answer)
        return made

    async def run(self) -> None:
        return

    def retry(self, node: str) -> None: ...
    def unknown_key(self, node: str) -> None: ...
    def trust(self, node: str) -> None: ...
    def rotation(self, node: str) -> None: ...
    def record(self, node: str) -> None: ...


def changed(phase: ChangePhase, wanted: MigLayout) -> GpuChange:
    return GpuChange(id="1", phase=phase, before=NOW, wanted=wanted)


def yard(fleet: FakeFleet, role: Role = Role.ADMIN) -> tuple[Yard, Store]:
    store = filled()
    view = store.nodes[NODE]
    view.role = role
    gpu = replace(view.gpus[GPU], mig=MigState(current=True, pending=True, resetless=True))
    store.receive(NODE, Delta(at_unix_s=NOW_UNIX_S, gpus=(gpu,)))
    return Yard(Session("prod", store, operations=FakeOperations(store), fleet=fleet)), store


def said(app: Yard) -> str:
    return "\n".join("".join(text for text, _ in line) for line in app.screen.query_one("#said", Lines).lines)


async def opened(app: Yard, pilot: Pilot[None]) -> None:
    await pilot.press("7")
    await until(lambda: bool(app.screen.query("#rows")))
    rows = app.screen.query_one("#rows", Rows)
    await until(lambda: bool(rows.order.keys))
    await pilot.press("g", *"j" * rows.order.keys.index(Key(Kind.GPU, NODE, GPU)))
    await pilot.press("m")


async def test_a_layout_is_planned_shown_and_applied_by_a_key_of_its_own() -> None:
    fleet = FakeFleet()
    fleet.blockers = (Blocker(kind=BlockerKind.INSTANCE, slot=OTHER, instance="chat/0", pid=4711),)
    app, _ = yard(fleet)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await until(lambda: isinstance(app.screen, LayoutPrompt))
        await pilot.press(*"3g.40gb", "space", *"2x1g.10gb", "enter")
        await until(lambda: isinstance(app.screen, Dialog) and app.screen._painted_at is not None)
        assert "+ create   1g.10gb at 4, 5" in said(app)
        assert "apply it, which ends 1 instance: drained first" in said(app)
        await pilot.press("y", "m")
        assert isinstance(app.screen, Dialog), "no other key applies it, and the one that opened it does nothing"
        await pilot.press("A")
        await until(lambda: any(isinstance(ask, ApplyLayout) for ask in fleet.asked))
        (applied,) = [ask for ask in fleet.asked if isinstance(ask, ApplyLayout)]
        assert (applied.gpu, applied.expected, applied.wanted, applied.drain) == (GPU, NOW, THEN, True)


async def test_what_somebody_else_runs_there_cannot_be_applied() -> None:
    fleet = FakeFleet()
    fleet.blockers = (Blocker(kind=BlockerKind.PROCESS, slot=OTHER, pid=4712, name="python", user="eve"),)
    app, _ = yard(fleet)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await until(lambda: isinstance(app.screen, LayoutPrompt))
        await pilot.press(*"off", "enter")
        await until(lambda: isinstance(app.screen, Dialog) and app.screen._painted_at is not None)
        assert "python of eve (pid 4712)" in said(app)
        assert "apply it" not in said(app)
        await pilot.press("A")
        assert not [ask for ask in fleet.asked if isinstance(ask, ApplyLayout)]


async def test_a_stuck_gpu_is_settled_by_the_same_key() -> None:
    fleet = FakeFleet()
    fleet.change = replace(changed(ChangePhase.STUCK, THEN), why_stuck=Reason("in_use", "somebody stays", "end it"))
    app, _ = yard(fleet)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await until(lambda: isinstance(app.screen, Dialog) and app.screen._painted_at is not None)
        assert "somebody stays" in said(app)
        await pilot.press("b")
        await until(lambda: any(isinstance(ask, SettleLayout) and ask.back for ask in fleet.asked))


async def test_an_operator_is_told_who_may() -> None:
    fleet = FakeFleet()
    app, _ = yard(fleet, Role.OPERATOR)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        assert isinstance(app.screen, FractionsScreen)
        assert app.screen.why_not("divide") == "your role on fra-1 is operator: an admin may divide GPUs"
        assert fleet.asked == []
