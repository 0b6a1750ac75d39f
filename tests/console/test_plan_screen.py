"""The plan on a screen: applied by `A` alone, once it was seen, and only while it still stands."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot

from agents.wire import Delta
from console.app import Yard
from console.cli.plans import plan_items
from console.cli.schema import plan_schema, saved_schema
from console.render.plan import plan_lines
from console.render.plan_steps import SIGNS
from console.render.planpage import plan_page
from console.screens.apply import ApplyScreen
from console.screens.dialog import Dialog
from console.screens.plan import PlanScreen, Proposal, from_file
from console.screens.session import Session
from console.screens.step import StepScreen
from console.spending import of_plan
from console.store import Store
from console.widgets.lines import Lines
from profiles.desired.model import Desired
from profiles.observed.status import Phase, Reason
from profiles.plans.plan import Action, Plan
from profiles.plans.verb_plan import Verb
from profiles.revisions.saved_plan import read
from profiles.text.document import FileError
from tests.console import acting
from tests.console.peer import until
from tests.fakes.fleet import FakeOperations, filled
from tests.fakes.plans import sample


class Shown:
    def __init__(self, app: Yard, pilot: "Pilot[None]", store: Store, refusal: Reason | None = None) -> None:
        self.app, self.pilot, self.store = app, pilot, store
        self.operations = FakeOperations(store, refusal)

    @property
    def lines(self) -> list[str]:
        screen = self.app.screen
        found = screen.query_one("#detail", Lines).lines
        return ["".join(text for text, _ in line) for line in found]

    async def note(self, wanted: str) -> None:
        await until(lambda: any(wanted in note.message for note in self.app._notifications))

    async def question(self) -> None:
        """Of a restart."""
        await self.pilot.press("5", "x")
        menu = await self._dialog(None)
        await self.pilot.press("3")
        await self._dialog(menu)

    async def _dialog(self, other_than: Dialog | None) -> Dialog:
        await until(lambda: isinstance(one := self.app.screen, Dialog) and one is not other_than
                    and one._painted_at is not None)  # fmt: skip
        await self.pilot.pause()
        assert isinstance(self.app.screen, Dialog)
        return self.app.screen

    def change(self, node: str) -> None:
        """Somebody else changes a node."""
        before = self.store.nodes[node].desired
        later = Desired(generation=8, instances=before.instances, author="bob", reason="stop b")
        self.store.receive(node, Delta(at_unix_s=self.store.wall(), desired=later))


@asynccontextmanager
async def console(size: tuple[int, int] = (120, 40), refusal: Reason | None = None) -> AsyncIterator[Shown]:
    store = filled()
    app = Yard(Session("prod", store))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        found = Shown(app, pilot, store, refusal)
        app.session.operations = found.operations
        yield found


@asynccontextmanager
async def shown(size: tuple[int, int] = (120, 40), file: Path | None = None) -> AsyncIterator[Shown]:
    async with console(size) as found:
        proposal = Proposal("apply chat-prod", lambda: sample(found.store), file)
        await found.app.push_screen(PlanScreen(found.app.session, proposal))
        await found.pilot.pause()
        yield found


async def test_the_plan_is_applied_as_it_is_shown_and_left() -> None:
    async with shown() as found:
        assert "› + start    embed/0  on ams-1" in found.lines
        await found.pilot.press("A")
        await found.note("chat-prod r119 is applied")
        ((plan, reason),) = found.operations.applied
        assert (plan.title, reason) == ("chat-prod r119", "apply chat-prod")
        await until(lambda: not isinstance(found.app.screen, PlanScreen))


async def test_keys_that_were_typed_before_it_was_seen_apply_nothing() -> None:
    async with console() as found:
        await found.question()
        for key in ("p", "A", "A"):
            found.app.post_message(events.Key(key, key))
        await until(lambda: isinstance(found.app.screen, PlanScreen))
        await found.pilot.press("p", "y", "j")
        assert isinstance(found.app.screen, PlanScreen)
        assert found.operations.applied == [], "neither what was typed ahead nor the key that opened it confirms it"
        await found.pilot.press("A")
        await until(lambda: len(found.operations.applied) == 1)


async def test_a_node_that_changes_makes_it_stale_until_it_is_made_anew() -> None:
    async with shown() as found:
        found.change("fra-1")
        await until(lambda: any("stale: fra-1 was changed since" in line for line in found.lines))
        assert any("generation 7 → 8 by bob (stop b)" in line for line in found.lines)
        await found.pilot.press("A")
        await found.note("a node was changed since it was made: r plans anew")
        assert found.operations.applied == []
        await found.pilot.press("r")
        await until(lambda: not any("stale" in line for line in found.lines))
        await found.pilot.press("A")
        await until(lambda: len(found.operations.applied) == 1)


async def test_a_step_in_full_and_back() -> None:
    async with shown() as found:
        await found.pilot.press("j", "j", "k", "enter")
        await until(lambda: isinstance(found.app.screen, StepScreen))
        assert found.lines[0] == "± replace  llama-70b (2)  on ams-1, fra-1"
        assert "  llama-70b/0  ready on fra-1" in found.lines
        assert "    options.max_num_seqs: 64 → 128 (restart)" in found.lines
        await found.pilot.press("escape")
        await until(lambda: isinstance(found.app.screen, PlanScreen))
        assert "› ± replace  llama-70b (2)  on ams-1, fra-1" in found.lines, "the cursor stays"


async def test_the_entry_in_hand_is_on_the_screen() -> None:
    async with shown((80, 24)) as found:
        await found.pilot.press(*["j"] * 9)
        await found.pilot.pause()
        drawn = [strip.text for strip in found.app.screen._compositor.render_strips()]
        assert any(line.startswith("› ~ live     qwen3-32b/0") for line in drawn)
        assert any("priority: 100 → 150" in line for line in drawn)


async def test_it_is_saved_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with shown() as found:
        await found.pilot.press("w")
        await found.note("plan-chat-prod-r119.json")
        path = tmp_path / "plan-chat-prod-r119.json"
        assert isinstance(found.app.screen, PlanScreen)
        assert read(path.read_bytes()).plan == found.app.screen.plan
        assert json.loads(path.read_text())["reason"] == "apply chat-prod"


async def test_a_file_that_cannot_be_read_is_told_and_nothing_is_applied(tmp_path: Path) -> None:
    async with console() as found:

        def make() -> Plan:
            raise FileError("chat.yaml", 3, 5, "no such key `modle`", "did you mean `model`?")

        await found.app.push_screen(PlanScreen(found.app.session, Proposal("x", make, tmp_path / "chat.yaml")))
        await found.pilot.pause()
        assert any("no such key `modle`" in line for line in found.lines)
        await found.pilot.press("A")
        await found.note("something is in the way")
        assert found.operations.applied == []


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_wider_than_the_screen_and_the_sums_are_right(width: int) -> None:
    store = filled()
    plan = sample(store)
    money = of_plan(store, plan)
    for line in plan_page(plan, money, [], 0, width).lines:
        assert cell_len("".join(text for text, _ in line)) <= width
    said = list(plan_lines(plan, money, width))
    assert any("$/h" in line and "before    after" in line for line in said) is (width >= 100)
    assert "  Requests in flight now: 176 on the 4 instances that stop or start anew" in said
    assert sum(step.effect.in_flight or 0 for step in plan.steps if step.effect) == 176


def test_every_action_has_a_sign_of_its_own() -> None:
    assert set(SIGNS) == set(Action)
    assert len(set(SIGNS.values())) == len(Action)


async def test_the_question_of_an_action_leads_to_its_plan() -> None:
    async with console() as found:
        await found.question()
        await found.pilot.press("p")
        await until(lambda: isinstance(found.app.screen, PlanScreen))
        await found.pilot.pause()
        assert any(line.startswith("› ± replace") for line in found.lines)
        await found.pilot.press("A")
        await until(lambda: len(found.operations.applied) == 1)
        assert found.operations.applied[0][1] == "restart from the console"


def _write(path: Path, most: int) -> None:
    options = {"load_seconds": 0.1, "max_num_seqs": most}
    services = {"chat": {"engine": "simulated", "model": "tiny", "options": options}}
    path.write_text(json.dumps({"gpuyard": 1, "profile": "p", "rollout": {"soak": "0s"}, "services": services}))


async def test_a_profile_is_planned_edited_and_applied_on_a_real_agent(agent: Path, tmp_path: Path) -> None:
    file = tmp_path / "chat.yaml"
    _write(file, 4)
    async with acting.console(agent) as found:
        shown = Shown(found.app, found.pilot, found.app.session.store)
        await found.app.push_screen(PlanScreen(found.app.session, from_file(found.operations, file)))
        await until(lambda: any("+ start    chat/0  on here" in line for line in shown.lines))
        await until(lambda: isinstance(one := found.app.screen, PlanScreen) and one._painted_at is not None)
        await found.pilot.press("A")
        await until(
            lambda: isinstance(one := found.app.screen, ApplyScreen) and one.course.over is not None, acting.LIMIT_S
        )
        await until(lambda: not any(one.name == "apply" and one.is_running for one in found.app.workers))
        await found.phase(Phase.READY)
        stop = found.operations.propose(Verb.STOP, [("here", "chat/0")])
        assert all(applied.ok for applied in await found.operations.apply(stop, "by hand"))
        await found.phase(Phase.STOPPED)
        await found.app.push_screen(PlanScreen(found.app.session, from_file(found.operations, file)))
        wanted = "wanted: stopped → running (edited by hand since the last apply)"
        await until(lambda: any(wanted in line for line in shown.lines), acting.LIMIT_S)
        _write(file, 8)
        await found.pilot.press("e")
        await found.note("this terminal cannot be given to another program")
        await found.pilot.press("r", "enter")
        await until(lambda: any("options.max_num_seqs: 4 → 8" in line for line in shown.lines), acting.LIMIT_S)
        file.write_text("services: [")
        await found.pilot.press("escape", "r")
        await until(lambda: any("chat.yaml:" in line for line in shown.lines))


def test_what_is_printed_as_json_is_what_the_schema_says() -> None:
    store = filled()
    plan = sample(store)
    items = plan_items(plan, of_plan(store, plan))
    schema = plan_schema()
    known = schema["$defs"]
    rows = {"memory": "GpuMemory", "money": "GpuMoney"}
    for item in items:
        properties = known[rows.get(str(item["action"]), "Step")]["properties"]
        assert item.keys() - {"action"} <= properties.keys()
    assert {item["action"] for item in items} >= {"move", "replace", "prune", "memory", "money"}
    assert set(known["Action"]["enum"]) == {str(action) for action in Action}
    assert saved_schema()["$defs"]["SavedPlan"]["required"][0] == "digest"
