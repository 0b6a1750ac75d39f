"""An apply on a screen, on a real agent: to its end, paused and taken back, left open for another console."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.screens.apply import ApplyScreen
from console.screens.plan import PlanScreen, Proposal
from console.widgets.lines import Lines
from profiles.desired.model import Profile
from profiles.files.load import parse_profile
from profiles.observed.status import Phase
from profiles.text.yamltext import read
from tests.console.acting import Console, agent, console
from tests.console.peer import until

__all__ = ["agent"]
pytestmark = pytest.mark.timeout(120)
LIMIT_S = 40.0


def profile(load_seconds: float) -> Profile:
    services = f"{{chat: {{engine: simulated, model: tiny, options: {{load_seconds: {load_seconds}}}}}}}"
    return parse_profile(read(f"gpuyard: 1\nprofile: p\nrollout: {{soak: 0s}}\nservices: {services}\n", "p"))


@asynccontextmanager
async def applying(program: Path, load_seconds: float) -> AsyncIterator[tuple[Console, ApplyScreen]]:
    """Seen as a plan, and applied with `A`."""
    async with console(program) as found:
        plan = PlanScreen(
            found.app.session, Proposal("apply p", lambda: found.operations.propose_profile(profile(load_seconds)))
        )
        await found.app.push_screen(plan)
        await until(lambda: plan._painted_at is not None)
        await found.pilot.press("A")
        await until(lambda: isinstance(found.app.screen, ApplyScreen))
        assert isinstance(found.app.screen, ApplyScreen)
        yield found, found.app.screen


def text(screen: ApplyScreen) -> str:
    return "\n".join("".join(part for part, _ in line) for line in screen.query_one("#detail", Lines).lines)


async def test_it_goes_to_its_end_and_is_left(agent: Path) -> None:
    async with applying(agent, 0.3) as (found, screen):
        await until(lambda: "wave 1 of 1" in text(screen), LIMIT_S)
        await until(lambda: screen.course.over is not None and "done" in text(screen), LIMIT_S)
        assert found.chat is not None
        assert found.chat.phase is Phase.READY
        await found.pilot.press("escape")
        await until(lambda: found.app.screen is not screen)


async def test_it_is_paused_gone_on_with_and_taken_back(agent: Path) -> None:
    async with applying(agent, 4.0) as (found, screen):
        await found.phase(Phase.LOADING)
        await until(lambda: "loading" in text(screen), LIMIT_S)
        await found.pilot.press("escape")
        assert found.app.screen is screen, "it is not left while it goes on"
        for key in ("p", "g", "p"):
            await found.pilot.press(key)
            paused = key == "p"
            await until(lambda paused=paused: ("paused: g goes on" in text(screen)) is paused, LIMIT_S)
        await found.pilot.press("B")
        await until(lambda: "rolled back" in text(screen), LIMIT_S)
        await until(lambda: found.chat is None, LIMIT_S)


async def test_one_that_is_left_paused_is_a_problem_that_says_how_to_go_on(agent: Path) -> None:
    async with applying(agent, 4.0) as (found, screen):
        await found.phase(Phase.LOADING)
        await found.pilot.press("p")
        await until(lambda: "paused: g goes on" in text(screen), LIMIT_S)
        await found.pilot.press("escape")
        await until(lambda: found.app.screen is not screen)
        status = found.app.session.store.nodes["here"]
        await until(lambda: bool(status.status and status.status.troubles), LIMIT_S)
        assert status.status is not None
        assert "p r1" in status.status.troubles[0].text
        assert "--resume" in status.status.troubles[0].hint
