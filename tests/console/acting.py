"""A console on one node of a real agent, with what tests do there: run an engine, ask, and read what is said."""

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
from console.screens.session import Session
from console.store import Store
from console.widgets.lines import Lines
from profiles.desired.model import Service
from profiles.observed.status import InstanceStatus, Phase
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
