"""Every binding of every screen, and every choice that it leads to, with read-only and with each role.

What the agent refuses is in tests/e2e/test_roles.py; here nothing is even asked that would be refused there.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.worker import Worker

from agents import wire
from agents.server.verbs import NEEDED
from console.app import Yard
from console.keys.catalogue import bound
from console.remote.errors import RequestFailed
from console.screens.asking import Asking
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.screens.dividing import LayoutPrompt
from console.screens.plan import PlanScreen
from console.screens.pulse import PulseScreen
from console.screens.session import Session
from profiles.observed.status import Reason, Role
from tests.console.peer import until
from tests.fakes.fleet import FakeOperations, filled
from tests.fakes.kept import KeptFleet

LINES = (
    "pulse", "nodes", "gpus", "services", "instances", "processes", "fractions", "cost", "profiles", "changes",
    "alerts",
    "node fra-1", "gpu fra-1/3", "service llama-70b", "instance llama-70b/0", "process ams-1/7007", "profile chat-prod",
    "logs llama-70b/0",
)  # fmt: skip
AT_ONCE = {"instance.act", "place.act", "process.act", "gpu.divide", "screen.undo", "revisions.tag", "plan.apply"}
"""What is refused by its key. What goes by a plan is refused by the `A` of the plan."""


@dataclass
class Asked(KeptFleet):
    """Remembers what was asked of a node, and does none of it."""

    store: Any
    changes: list[wire.AnyAsk] = field(default_factory=list)

    async def request(self, node: str, ask: wire.AnyAsk, answer: Any, **more: object) -> Any:
        if isinstance(ask, wire.ReadRevisions | wire.ReadRevision | wire.ReadHistory):
            return await super().request(node, ask, answer, **more)
        self.changes.append(ask)
        raise RequestFailed(Reason("asked", "only asked", ""), node)

    def unknown_key(self, node: str) -> None:
        return None

    def rotation(self, node: str) -> None:
        return None

    def retry(self, node: str) -> None: ...


@dataclass
class Walk:
    """One console with one role, and what came of its keys."""

    app: Yard
    pilot: Pilot[None]
    fleet: Asked
    operations: FakeOperations
    refused: dict[str, set[str]] = field(default_factory=dict)

    async def everything(self) -> None:
        for line in LINES:
            self.app.action_go("pulse")
            self.app.run_line(line)
            await self.pilot.pause()
            if isinstance(self.app.screen, YardScreen):
                self.app.screen.tick()
            await self._settle()
            await self.screen()
        if not self.app.session.why_read_only:
            self.app.run_line("restart llama-70b/0")
            await self.pilot.pause()
            assert isinstance(self.app.screen, PlanScreen)
            await self.screen()

    async def screen(self) -> None:
        screen = self.app.screen
        assert isinstance(screen, YardScreen)
        for binding, action in dict.fromkeys(_own(screen)):
            if screen.check_action(action.partition("(")[0], ()) is not False:
                await self.press(screen, binding, action)

    async def press(self, screen: YardScreen, binding: str, action: str) -> None:
        """By the key, then by each choice that it offers."""
        choice, choices = 0, 1
        while choice < choices and screen in self.app.screen_stack:
            self.app.clear_notifications()
            before = len(self.operations.applied), len(self.fleet.changes)
            await self.app.run_action(action, screen)
            await self._settle()
            if isinstance(top := self.app.screen, Dialog):
                open_ones = [key for key, _ in top._choices if key not in top._dimmed]
                choices = len(open_ones)
                top.dismiss(open_ones[choice] if open_ones else "")
                await self._settle()
            await self._agree(screen)
            if (len(self.operations.applied), len(self.fleet.changes)) == before:
                said = " ".join(note.message for note in self.app._notifications)
                self.refused.setdefault(binding, set()).add(said)
            choice += 1

    async def _agree(self, screen: YardScreen) -> None:
        """Yes to whatever follows, `A` on a plan, and back to the screen."""
        while self.app.screen is not screen and screen in self.app.screen_stack:
            top = self.app.screen
            match top:
                case Dialog():
                    keys = [key for key, _ in top._choices if key not in top._dimmed]
                    top.dismiss("y" if "y" in keys else "")
                case Asking():
                    top.dismiss("good")
                case LayoutPrompt():
                    top.dismiss("off")
                case PlanScreen():
                    top.action_apply()
                    await self._settle()
                    if self.app.screen is top:
                        self.app.pop_screen()
                case ModalScreen():
                    top.dismiss(None)
                case _:
                    self.app.pop_screen()
            await self._settle()

    async def _settle(self) -> None:
        """All that a key has set going is over; what a page goes on asking is not waited for."""
        await self._handled()
        await until(lambda: not any(one.is_running and not self._goes_on(one) for one in self.app.workers))
        await self._handled()

    async def _handled(self) -> None:
        """Every message until now: a pilot's pause waits 20 ms for an idle process, at a thousand keys."""
        for pump in (self.app, self.app.screen):
            handled = asyncio.Event()
            pump.call_later(handled.set)
            while pump.is_running and not handled.is_set():
                await asyncio.sleep(0)

    def _goes_on(self, worker: Worker[object]) -> bool:
        return worker.name == "verdict" or worker.group == "listing"


def _own(screen: YardScreen) -> Iterator[tuple[str, str]]:
    """What a screen binds itself; what all have in common is pressed on the first."""
    common = () if isinstance(screen, PulseScreen) else bound(YardScreen)
    apart = {one.id for one in common} | {"screen.up", "screen.filter", "screen.problems"}
    yield from ((one.id, one.action) for one in bound(type(screen)) if one.id not in apart)


async def walked(role: Role, *, read_only: bool = False) -> Walk:
    store = filled()
    for view in store.nodes.values():
        view.role = role
    operations, fleet = FakeOperations(store), Asked(store)
    app = Yard(Session("prod", store, read_only, operations, fleet))  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        walk = Walk(app, pilot, fleet, operations)
        await walk.everything()
    return walk


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved is saved here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.parametrize(("role", "read_only", "why"), [
    (Role.ADMIN, True, "--read-only"), (Role.VIEWER, False, "is viewer: an operator may"),
])  # fmt: skip
async def test_who_may_only_look_asks_for_no_change_and_hears_why(role: Role, read_only: bool, why: str) -> None:
    walk = await walked(role, read_only=read_only)
    assert walk.operations.applied == []
    assert [ask for ask in walk.fleet.changes if NEEDED[type(ask)] is not Role.VIEWER] == []
    reachable = AT_ONCE - ({"plan.apply"} if read_only else set())
    assert {one for one in reachable if not any(why in said for said in walk.refused.get(one, ()))} == set()


async def test_an_operator_changes_things_and_asks_for_nothing_that_is_an_admins() -> None:
    walk = await walked(Role.OPERATOR)
    assert len(walk.operations.applied) > 10
    asked = {type(ask) for ask in walk.fleet.changes}
    assert wire.SetTag in asked
    assert {kind for kind in asked if NEEDED[kind] is Role.ADMIN} == set()
    assert any("an admin may terminate" in one for one in walk.refused["process.act"])
