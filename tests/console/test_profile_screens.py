"""Profiles and their revisions on the screen, over a local link to a real agent with a real engine process."""

from pathlib import Path

import pytest

from console.screens.asking import Asking
from console.screens.plan import PlanScreen
from console.screens.profiles import ProfilesScreen
from console.screens.revision import RevisionScreen
from console.screens.revisions import RevisionsScreen
from console.widgets.lines import Lines
from profiles.desired.model import Profile, Service
from profiles.observed.status import Phase
from tests.console.acting import LIMIT_S, Console, console
from tests.console.peer import until


async def applied(found: Console, seconds: float) -> None:
    service = Service(engine="simulated", model="tiny", options={"load_seconds": seconds})
    plan = found.operations.propose_profile(Profile(gpuyard=1, profile="p", services={"chat": service}), "profile: p")
    assert all(one.ok for one in await found.operations.apply(plan, f"apply {seconds}"))
    stands = found.app.session.store.nodes["here"].desired.standing
    number = stands["p"].number if "p" in stands else 0
    await until(lambda: _number(found) == number + 1)
    await found.phase(Phase.READY)


def _number(found: Console) -> int:
    stands = found.app.session.store.nodes["here"].desired.standing.get("p")
    return stands.number if stands else 0


def revisions(found: Console) -> list[str]:
    """First cells of the rows."""
    screen = found.app.screen
    assert isinstance(screen, RevisionsScreen)
    order = screen.table().order
    return [" ".join(cell.text for cell in order.rows[key].cells[:2]).strip() for key in order.keys]


@pytest.mark.timeout(120)
async def test_from_the_profiles_to_a_revision_and_back_to_it(agent: Path) -> None:
    async with console(agent) as found:
        await applied(found, 0.1)
        await applied(found, 0.2)
        await found.pilot.press("9")
        assert isinstance(found.app.screen, ProfilesScreen)
        await until(lambda: bool(found.app.screen.query_one("#rows").order.keys))  # type: ignore[attr-defined]
        await found.pilot.press("enter")
        await until(lambda: isinstance(found.app.screen, RevisionsScreen) and len(revisions(found)) == 2, LIMIT_S)
        assert revisions(found) == ["r2 ● yes", "r1"]
        await found.pilot.press("enter")
        await until(lambda: isinstance(found.app.screen, RevisionScreen))
        page = found.app.screen.query_one("#detail", Lines)
        await until(lambda: any("load_seconds 0.1 → 0.2" in text for line in page.lines for text, _ in line))
        await found.pilot.press("escape")
        await until(lambda: isinstance(found.app.screen, RevisionsScreen))
        await found.pilot.press("j", "t")
        await until(lambda: isinstance(found.app.screen, Asking))
        await found.pilot.pause()
        await found.pilot.press(*"good", "enter")
        await found.note("here: r1 is good")
        await found.pilot.press("R")
        await until(lambda: isinstance(found.app.screen, PlanScreen), LIMIT_S)
        await found.pilot.pause(0.3)
        await found.pilot.press("A")
        await found.note("p r3 is applied")
        await until(lambda: _number(found) == 3)
        await until(lambda: isinstance(found.app.screen, RevisionsScreen) and len(revisions(found)) == 3, LIMIT_S)
        await found.pilot.press("u")
        await until(lambda: isinstance(found.app.screen, PlanScreen), LIMIT_S)
        plan = found.app.screen
        assert isinstance(plan, PlanScreen)
        assert plan.proposal.reason.startswith("undo p r3")
        await found.pilot.press("escape")
        await until(lambda: isinstance(found.app.screen, RevisionsScreen))
        await found.pilot.press("escape")
        await until(lambda: isinstance(found.app.screen, ProfilesScreen))
        await found.pilot.press("p")
        await found.note("There is no ")
        await found.operations.apply(found.operations.propose_down("p", {("here", "chat/0")}), "the end")
        await until(lambda: found.chat is None, LIMIT_S)
