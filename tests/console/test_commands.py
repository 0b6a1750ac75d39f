import stat
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import Yard
from console.keys.history import KEPT, History
from console.keys.words import complete
from console.naming import NotNamed
from console.screens.base import YardScreen
from console.screens.commanding import vocabulary
from console.screens.gpu import GpuScreen
from console.screens.gpus import GpusScreen
from console.screens.help import HelpScreen
from console.screens.instance import InstanceScreen
from console.screens.logs import LogsScreen
from console.screens.node import NodeScreen
from console.screens.plan import PlanScreen
from console.screens.process import ProcessScreen
from console.screens.prompt import Prompt
from console.screens.revisions import RevisionsScreen
from console.screens.service import ServiceScreen
from console.screens.session import Session
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.plans.plan import Action
from tests.console.peer import until
from tests.fakes.fleet import FakeOperations, filled
from tests.fakes.kept import KeptFleet


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def yard(*, read_only: bool = False) -> Yard:
    store = filled()
    return Yard(Session("prod", store, read_only, FakeOperations(store)))


async def give(pilot: Pilot[None], line: str) -> None:
    """Type it at the prompt."""
    await pilot.press("colon")
    pilot.app.screen.query_one("#line", Input).value = line
    await pilot.press("enter")
    await pilot.pause()


def offers(app: Yard) -> str:
    return "\n".join("".join(text for text, _ in line) for line in app.screen.query_one("#offers", Lines).lines)


PAGES = (
        ("node fra-1", NodeScreen), ("gpu fra-1/3", GpuScreen), ("service rerank", ServiceScreen),
        ("instance rerank/0", InstanceScreen), ("instance fra-2:rerank/0", InstanceScreen), ("logs rerank", LogsScreen),
        ("process ams-1/7007", ProcessScreen), ("profile chat-prod", RevisionsScreen), ("help", HelpScreen),
)  # fmt: skip


async def test_a_line_opens_a_page_over_the_screen_that_it_was_typed_on() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        for line, kind in PAGES:
            await give(pilot, line)
            assert type(app.screen) is kind
            await pilot.press("escape")
            assert isinstance(app.screen, GpusScreen)


async def test_a_place_may_be_followed_by_its_filter() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await give(pilot, "instances rerank")
        assert [key.name for key in app.screen.query_one(Rows).order.keys] == ["rerank/0"]
        await pilot.press("1")
        await give(pilot, "instances")
        assert len(app.screen.query_one(Rows).order.keys) == 1, "as it was left"


PLANS = (
        ("stop llama-70b/0", Action.STOP), ("restart qwen3-32b", Action.REPLACE), ("down chat-prod", Action.PRUNE),
        ("set llama-70b/0 max_num_seqs=96", Action.REPLACE), ("scale qwen3-32b 1", Action.PRUNE),
)  # fmt: skip


async def test_a_verb_ends_at_a_plan_and_changes_nothing() -> None:
    app = yard()
    app.session.fleet = KeptFleet(app.session.store)  # type: ignore[assignment]
    async with app.run_test(size=(120, 40)) as pilot:
        for line, action in PLANS:
            await give(pilot, line)
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert isinstance(app.screen, PlanScreen), line
            assert action in {step.action for step in app.screen.plan.steps}
            assert app.screen.proposal.reason == line
            await pilot.press("escape")
        assert isinstance(app.session.operations, FakeOperations)
        assert app.session.operations.applied == []


async def test_a_cordon_by_line_is_a_plan_of_what_is_named() -> None:
    app = yard()
    app.session.fleet = KeptFleet(app.session.store)  # type: ignore[assignment]
    async with app.run_test(size=(120, 40)) as pilot:
        await give(pilot, "cordon fra-1/3")
        assert isinstance(app.screen, PlanScreen)
        assert [edit.node for edit in app.screen.plan.nodes] == ["fra-1"]


REFUSED = (
        ("stpo chat", "^ there is no command stpo"), ("node fra-9", "     ^ there is no node fra-9"), 
    ("node", "^ it is written node NODE"),
        ("stop nobody", "no instance nobody"), ("scale rerank two", "two is no number of replicas"),
        ("logs llama-70b", "llama-70b has 3 replicas: say which: "), ("set rerank/0", "say of what, and which key"),
        ("rollback chat-prod", "it is written rollback PROFILE REV"), ("plan nothing", "no profile nothing in "),
)  # fmt: skip


async def test_what_is_wrong_is_said_over_the_line_which_stays() -> None:
    app = yard()
    app.session.fleet = KeptFleet(app.session.store)  # type: ignore[assignment]
    async with app.run_test(size=(120, 40)) as pilot:
        for line, said in REFUSED:
            await give(pilot, line)
            assert said in offers(app)
            assert app.screen.query_one(Input).value == line
            await pilot.press("escape")
            assert isinstance(app.screen, YardScreen)


async def test_offers_are_completed_and_recalled() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("colon", "n", "o", "d")
        await pilot.pause()
        assert "nodes [FILTER]" in offers(app)
        await pilot.press("e", "space", "a", "tab", "enter")
        await pilot.pause()
        assert isinstance(app.screen, NodeScreen)
        assert app.screen.node == "ams-1"
        await give(pilot, "gpus")
        await pilot.press("colon", "up", "up")
        assert app.screen.query_one(Input).value == "node ams-1"
        await pilot.press("down", "down", "down")
        assert app.screen.query_one(Input).value == ""
    again = yard()
    async with again.run_test(size=(120, 40)) as pilot:
        await pilot.press("colon", "up")
        assert isinstance(again.screen, Prompt)
        assert again.screen.query_one(Input).value == "gpus"


async def test_read_only_refuses_every_verb_and_opens_every_page() -> None:
    app = yard(read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await give(pilot, "stop rerank/0")
        assert "nothing can be changed: this console was started with --read-only" in offers(app)
        await pilot.press("escape")
        await give(pilot, "node fra-1")
        assert isinstance(app.screen, NodeScreen)


async def test_the_palette_finds_keys_lines_and_things_by_their_letters() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "ctrl+p", *"rerank")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ServiceScreen))
        await pilot.press("escape", "ctrl+p", *"problemsonly", "backspace", "backspace", "backspace", "backspace")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, YardScreen))
        assert app.screen.query_one(Rows).order.only_problems


def test_names_are_completed_from_the_store() -> None:
    app = yard()
    store, known = app.session.store, vocabulary(app.session)
    assert complete(store, known, "service r") == ["service rerank"]
    assert complete(store, known, "gpu fra-1/7") == ["gpu fra-1/7"]
    assert complete(store, known, "stop rerank/0 emb") == ["stop rerank/0 embed", "stop rerank/0 embed/0"]
    assert complete(store, known, "process ams-1/7") == ["process ams-1/7007"]
    assert complete(store, known, "node fra-1 x") == []
    assert complete(store, known, "nonsense ") == []
    with pytest.raises(NotNamed):
        app.prepare("gpu fra-1/9")


def test_the_history_is_its_owners_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "commands"
    history = History(path)
    for at in range(KEPT + 5):
        history.add(f"node n{at}")
    history.add("node n100")
    lines = history.lines()
    assert len(lines) == KEPT
    assert lines[-2:] == [f"node n{KEPT + 4}", "node n100"]
    assert lines.count("node n100") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"nodes \x1b]52;c;AAAA\x07\n\xff\n")
    assert History(path).lines()[0] == "nodes "
    History(tmp_path).add("a directory is in its place")
