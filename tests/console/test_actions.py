"""Start, stop and restart from the screen, over a local link to a real agent with a real engine process."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from console.screens.logs import LogsScreen
from console.store import NodeState
from console.widgets.lines import Lines
from console.widgets.log_lines import LogLines
from profiles.observed.status import Phase
from profiles.plans.verb_plan import Verb
from tests.console.acting import LIMIT_S, console, said, serve
from tests.console.peer import until


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


async def test_sleep_wake_and_an_act(agent: Path) -> None:
    async with console(agent) as found:
        pid = await serve(found)
        await found.pilot.press("x")
        await found.dialog(lambda dialog: True)
        await found.pilot.press("8")
        await found.note("chat/0 on here: flush-cache is done.")
        assert "Put to sleep chat/0 on here" in await found.ask("7")
        await found.pilot.press("y")
        assert await found.phase(Phase.SLEEPING) == pid
        await found.pilot.press("x")
        menu = await found.dialog(lambda dialog: True)
        assert "(8) flush its cache: it does not serve" in said(menu)
        await found.pilot.press("8")
        assert found.app.screen is menu, "what is dimmed cannot be chosen"
        await found.pilot.press("7")
        assert "Wake chat/0 on here." in said(await found.dialog(lambda dialog: dialog is not menu))
        await found.pilot.press("y")
        assert await found.phase(Phase.READY) == pid
