import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.app import Yard
from console.screens.base import YardScreen
from console.screens.plan import PlanScreen, Proposal
from console.screens.session import Session
from tests.fakes.applying import going_on
from tests.fakes.fleet import FakeOperations, filled
from tests.fakes.kept import KeptFleet
from tests.fakes.plans import sample
from tests.fakes.sharing import shared_store

KEPT = Path(__file__).parents[2] / "docs" / "screens"
PLACES = {"pulse": (), "replay": (),
          "nodes": ("2",), "gpus": ("3",), "gpu": ("3", "d"), "services": ("4",), "instances": ("5",),
          "instance": ("5", "j", "j", "enter"), "logs": ("5", "l"), "processes": ("6",),
          "fractions": ("7", "j"), "cost": ("8",), "changes": ("c",), "plan": (),
          "apply": (),
          "profiles": ("9",), "revisions": ("9", "enter"), "revision": ("9", "enter", "enter")}  # fmt: skip
ESSENTIAL = {"pulse": "DOWN", "replay": "REPLAY ‖ paused 1×",
             "nodes": "fra-1", "gpus": "throttled", "gpu": "Held back", "instances": "rerank/0",
             "services": "DOWN", "instance": "Phase", "logs": "CUDA out of memory",
             "processes": "× orphan", "fractions": "MPS daemon", "cost": "By service", "changes": "CUDA",
             "plan": "± replace",
             "apply": "wave 2 of 4", "profiles": "r118", "revisions": "known-good", "revision": "48 → 64"}  # fmt: skip

CRUMBS = {"pulse": "pulse", "replay": "pulse",
          "nodes": "nodes", "gpus": "GPUs", "gpu": "GPUs › ", "services": "services",
          "instances": "instances", "instance": "fra-1 › llama-70b/0 ", "logs": "fra-2 › rerank/0 › log",
          "processes": "processes", "fractions": "fractions", "cost": "cost", "changes": "changes",
          "plan": "plan › chat-prod",
          "apply": "apply › chat-prod", "profiles": "profiles", "revisions": "profiles › chat-prod",
          "revision": "profiles › chat-prod › r"}  # fmt: skip


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Paused:
    """A replay that stands still."""

    badge = "REPLAY ‖ paused 1×"


async def shown(place: str, size: tuple[int, int]) -> tuple[str, list[str]]:
    """The SVG and the lines of a place."""
    store = shared_store() if place == "fractions" else filled()
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    if place == "replay":
        app.session.read_only, app.session.replay = True, Paused()
    if place.startswith("revision"):
        app.session.fleet = KeptFleet(store)  # type: ignore[assignment]
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        if place == "plan":
            await app.push_screen(PlanScreen(app.session, Proposal("apply chat-prod", lambda: sample(store))))
        if place == "apply":
            await app.push_screen(going_on(app.session))
        for key in PLACES[place]:
            await pilot.press(key)
            await pilot.pause()
            if place.startswith("revision"):  # what was asked for on the way is here
                app.screen.tick()  # type: ignore[attr-defined]
                await app.workers.wait_for_complete()
                await pilot.pause()
        lines: list[str] = []
        for _ in range(250):
            assert isinstance(app.screen, YardScreen)
            app.screen.tick()
            await pilot.pause(0.02)
            before, lines = lines, [strip.text for strip in app.screen._compositor.render_strips()]
            there = lines[-1].strip().startswith(CRUMBS[place]) and "q quit" in lines[-1]
            if there and lines == before and any(ESSENTIAL[place] in line for line in lines):
                break
        drawn = app.export_screenshot(title="gpuyard")
    drawn = re.sub(r"terminal-\d+", "terminal-0", drawn).replace("&#160;", " ")
    return drawn.replace("<text ", '<text xml:space="preserve" '), lines


@pytest.mark.parametrize("place", PLACES)
async def test_the_pictures_in_the_docs_are_what_the_screens_show(place: str) -> None:
    drawn, _ = await shown(place, (120, 40))
    kept = KEPT / f"{place}.svg"
    if os.environ.get("UPDATE_SCREENS") == "1":
        KEPT.mkdir(parents=True, exist_ok=True)
        kept.write_text(drawn)
    assert kept.is_file(), "run the tests once with UPDATE_SCREENS=1"
    assert kept.read_text() == drawn, f"{place}.svg is stale: run with UPDATE_SCREENS=1 and look at it"


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
@pytest.mark.parametrize("place", PLACES)
async def test_essentials_at_every_size(place: str, size: tuple[int, int]) -> None:
    _, lines = await shown(place, size)
    assert len(lines) == size[1]
    assert "gpuyard" in lines[0]
    assert lines[0].rstrip().endswith("14:13:20")
    assert "q quit" in lines[-1]
    assert any(ESSENTIAL[place] in line for line in lines)
