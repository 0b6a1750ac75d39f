"""Start, stop and restart from the screen, over a local link to a real agent with a real engine process."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from console.app import Yard
from console.inventory import Inventory, Node
from console.operations import Operations
from console.screens.dialog import Dialog
from console.screens.logs import LogsScreen
from console.screens.session import Session
from console.store import NodeState, Store
from console.widgets.lines import Lines
from console.widgets.log_lines import LogLines
from profiles.model import Service
from profiles.plan import Verb
from profiles.status import InstanceStatus, Phase
from tests.console.peer import until

LIMIT_S = 30.0


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A program that attaches to an agent of its own; whatever ran for it is ended afterwards."""
    state = tmp_path / "state"
    program = tmp_path / "agent"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m agents "$@" --state {state} $ROLE\n')
    program.chmod(0o755)
    yield program
    for one in psutil.process_iter():
        try:
            words = " ".join([*one.cmdline(), *one.environ().values()])
        except psutil.Error:
            continue
        if str(state) in words and one.pid != os.getpid():
            one.send_signal(signal.SIGKILL)


@dataclass
class Console:
    """A console on one node, `here`, with one instance, `chat/0`."""

    app: Yard
    pilot: Pilot[None]

    @property
    def operations(self) -> Operations:
        assert isinstance(self.app.session.operations, Operations)
        return self.app.session.operations

    @property
    def chat(self) -> InstanceStatus | None:
        return self.app.session.store.nodes["here"].instances.get("chat/0")

    async def phase(self, phase: Phase, *, other_than: int | None = None) -> int | None:
        """Wait for it; the pid then."""
        await until(lambda: bool((one := self.chat) and one.phase is phase and (not one.pid or one.pid != other_than)),
                    LIMIT_S)  # fmt: skip
        return self.chat.pid if self.chat else None

    async def ask(self, choice: str) -> str:
        """Through the menu to the question of a choice; what it says."""
        await self.pilot.press("x")
        menu = await self.dialog(lambda dialog: True)
        await self.pilot.press(choice)
        return said(await self.dialog(lambda dialog: dialog is not menu))

    async def dialog(self, wanted: Callable[[Dialog], bool]) -> Dialog:
        """The dialog on top, once it takes keys."""
        await until(lambda: isinstance(one := self.app.screen, Dialog) and wanted(one) and one._painted_at is not None)
        await self.pilot.pause()
        assert isinstance(self.app.screen, Dialog)
        return self.app.screen

    async def note(self, wanted: str) -> None:
        await until(lambda: any(wanted in note.message for note in self.app._notifications), LIMIT_S)


def said(dialog: Dialog) -> str:
    return "\n".join("".join(text for text, _ in line) for line in dialog.query_one("#said", Lines).lines)


@asynccontextmanager
async def console(agent: Path) -> AsyncIterator[Console]:
    store = Store()
    store.add_node("here")
    inventory = Inventory(nodes={"here": Node(address="here", local=True, agent=str(agent))})
    app = Yard(Session("here", store), inventory)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: store.nodes["here"].status is not None, LIMIT_S)
        yield Console(app, pilot)
        (fleet,) = [worker for worker in app.workers if worker.name == "fleet"]
        fleet.cancel()
        with suppress(WorkerCancelled):
            await fleet.wait()


async def serve(found: Console) -> int | None:
    """Run `chat/0` and go to it."""
    service = Service(engine="simulated", model="tiny", options={"load_seconds": 0.1})
    plan = found.operations.propose_run("chat", service)
    assert all(applied.ok for applied in await found.operations.apply(plan, "a test"))
    pid = await found.phase(Phase.READY)
    await found.pilot.press("5")
    return pid


async def test_stop_start_and_restart(agent: Path) -> None:
    async with console(agent) as found:
        first = await serve(found)
        assert first is not None
        await until(lambda: bool((one := found.chat) and one.reading and one.reading.running is not None), LIMIT_S)
        assert "Stop chat/0 on here: 0 requests in flight." in await found.ask("2")
        await found.pilot.press("y")
        await found.phase(Phase.STOPPED)
        await found.note("here will stop chat/0.")
        assert not psutil.pid_exists(first)
        assert "Start chat/0 on here." in await found.ask("1")
        await found.pilot.press("y")
        second = await found.phase(Phase.READY)
        await found.ask("3")
        await found.pilot.press("y")
        third = await found.phase(Phase.READY, other_than=second)
        assert len({first, second, third}) == 3
        await found.pilot.press("l")
        await until(lambda: isinstance(found.app.screen, LogsScreen))
        log = found.app.screen.query_one(LogLines)
        await until(lambda: any("startup complete" in line for line in log.lines), LIMIT_S)


async def test_a_question_that_is_answered_too_late_changes_nothing(agent: Path) -> None:
    async with console(agent) as found:
        await serve(found)
        await found.ask("3")
        plan = found.operations.propose(Verb.STOP, [("here", "chat/0")])
        assert all(applied.ok for applied in await found.operations.apply(plan, "somebody else"))
        await found.phase(Phase.STOPPED)
        await found.pilot.press("y")
        await found.note("here refused: ")
        assert found.chat is not None
        assert found.chat.phase is Phase.STOPPED


async def test_the_role_that_the_agent_grants_dims_the_key(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(agent) as found:
        await serve(found)
    monkeypatch.setenv("ROLE", "--role viewer")
    async with console(agent) as found:
        await until(lambda: found.chat is not None)
        await found.pilot.press("5", "x")
        await found.note("your role on here is viewer")
        found.app.screen.tick()  # type: ignore[attr-defined]
        foot = found.app.screen.query_one("#foot", Lines).lines[0]
        assert any("(x actions)" in text for text, _ in foot)


async def test_a_node_that_went_away_is_not_asked(agent: Path) -> None:
    async with console(agent) as found:
        await serve(found)
        daemon = int((agent.parent / "state" / "agent.lock").read_text())
        agent.write_text("#!/bin/sh\nexit 1\n")
        os.kill(daemon, signal.SIGKILL)
        await until(lambda: found.app.session.store.nodes["here"].state is not NodeState.UP, LIMIT_S)
        await found.pilot.press("x")
        await found.note("nothing can be asked of it until it is back")


async def test_undo_names_what_it_takes_back_and_undoing_that_returns(agent: Path) -> None:
    async with console(agent) as found:
        await serve(found)
        await found.pilot.press("U")
        question = said(await found.dialog(lambda dialog: True))
        assert "Undoes generation 1 by" in question
        assert "(a test): + chat/0" in question
        assert "× prune    chat/0  on here" in question
        await found.pilot.press("U", "enter")
        await found.pilot.pause()
        assert found.chat is not None
        await found.pilot.press("U")
        await found.dialog(lambda dialog: True)
        await found.pilot.press("y")
        await found.note("here goes back to what was before generation 1")
        await until(lambda: found.chat is None, LIMIT_S)
        await found.pilot.press("U")
        assert "Undoes generation 2 by" in said(await found.dialog(lambda dialog: True))
        await found.pilot.press("y")
        await found.phase(Phase.READY)
        plan = found.operations.propose(Verb.STOP, [("here", "chat/0")])
        await found.operations.apply(plan, "the end")
        await found.phase(Phase.STOPPED)


async def test_undo_says_why_there_is_nothing_to_undo(agent: Path) -> None:
    async with console(agent) as found:
        await found.pilot.press("U")
        await found.note("nothing was changed on this node yet")
