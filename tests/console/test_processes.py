"""Processes on the screen: listed while somebody looks, by user, in full, and ended by an admin."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agents.wire import AnswerT, AnyAsk, ListProcesses, Processes
from console.app import Yard
from console.processes import list_into
from console.remote.errors import RequestFailed
from console.render.process import process_lines
from console.render.processes import process_row, short
from console.screens.processes import ProcessesScreen, UsersScreen
from console.screens.session import Session
from console.store import Key, Kind, NodeState, Store
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import Reason, Role
from tests.console.acting import LIMIT_S, Console, console, serve
from tests.console.peer import until
from tests.fakes.fleet import FakeOperations, filled

WHISPER = Key(Kind.PROCESS, "fra-2", "41822.1")


class Lister:
    """A fleet that lists what it is given; the rest of one is never asked."""

    def __init__(self, answers: dict[str, tuple[NodeProcess, ...] | Reason]) -> None:
        self.answers = answers
        self.asked = 0

    async def request(
        self, node: str, ask: AnyAsk, answer: type[AnswerT], *, deadline_s: float = 10.0, bulk: bool = False
    ) -> AnswerT:
        assert isinstance(ask, ListProcesses)
        self.asked += 1
        found = self.answers.get(node, ())
        if isinstance(found, Reason):
            raise RequestFailed(found, node)
        told = Processes(processes=found)
        assert isinstance(told, answer)
        return told


def lines(app: Yard, widget: str) -> list[str]:
    return ["".join(text for text, _ in line) for line in app.screen.query_one(widget, Lines).lines]


def shown(app: Yard) -> list[str]:
    return [key.name.partition(".")[0] for key in app.screen.query_one(Rows).order.keys]


def yard(store: Store) -> Yard:
    return Yard(Session("prod", store, operations=FakeOperations(store)))


async def test_orphans_first_then_strangers_then_ours() -> None:
    app = yard(filled())
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("6")
        await until(lambda: isinstance(app.screen, ProcessesScreen) and len(shown(app)) == 7)
        assert shown(app)[:2] == ["7007", "41822"]
        await until(lambda: "▒ 1 foreign 31.2 GiB" in lines(app, "#about")[0])
        assert lines(app, "#about")[0].startswith(" 7 processes   1,")
        assert "× 1 orphan – GiB" in lines(app, "#about")[0]
        await pilot.press("!")
        assert shown(app) == ["7007", "41822"]


async def test_by_user_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    app = yard(filled())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6", "b")
        await until(lambda: isinstance(app.screen, UsersScreen) and app.screen.composed)
        rows = app.screen.query_one(Rows)
        assert [key.name for key in rows.order.keys] == ["serve", "bob"]
        bob = rows.order.rows[Key(Kind.USER, "", "bob")]
        assert [cell.text for cell in bob.cells] == ["bob", "31.2", "0.6", "1", "1", "1", "0", "2m14s", "fra-2"]
        await pilot.press("j", "enter")
        await until(lambda: isinstance(app.screen, ProcessesScreen) and app.screen.composed)
        assert shown(app) == ["41822"]
        await pilot.press("escape", "b")
        await until(lambda: isinstance(app.screen, ProcessesScreen) and len(shown(app)) == 7)


async def test_of_one_gpu_and_of_one_node() -> None:
    app = yard(filled())
    async with app.run_test(size=(160, 40)) as pilot:
        await to_gpu(app, pilot, Key(Kind.GPU, "fra-2", "GPU-fra-2-5"))
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProcessesScreen) and app.screen.composed)
        assert shown(app) == ["41822"]
        await pilot.press("2", "p")
        await until(lambda: isinstance(app.screen, ProcessesScreen) and app.screen.node is not None)
        assert len(shown(app)) > 1


async def to_gpu(app: Yard, pilot: Pilot[None], key: Key) -> None:
    await pilot.press("3")
    await pilot.pause()
    app.screen.query_one(Rows).cursor = key


def test_everything_about_one_process() -> None:
    said = ["".join(text for text, _ in line).strip() for line in process_lines(filled(), WHISPER, 100)]
    assert said[:6] == [
        "Kind          ▒ foreign   on a GPU, and none of gpuyard's",
        "Process       fra-2/41822   whisper   2m14s   since 14:11:06",
        "User          bob",
        "Command       python whisper.py",
        "Container     f00dfeedcafe",
        "Instance      none",
    ]
    assert "Holds         31.2 GiB   SM 62 %   on GPU 5" in said
    assert "GPU 5         H100 80GB HBM3   31.2 of 79.6 GiB in use" in said
    assert any("nobody starts it anew" in line for line in said)
    gone = process_lines(filled(), Key(Kind.PROCESS, "fra-2", "5.1"), 100)
    assert "no longer on fra-2" in gone[1][0][0]


def test_a_row_is_dim_when_its_node_is_quiet_and_a_command_has_no_directories() -> None:
    store = filled()
    assert short("/opt/vllm/bin/vllm serve --port 1") == "vllm serve --port 1"
    store.link("fra-2", NodeState.STALE)
    row = process_row(store, WHISPER)
    assert row is not None
    assert row.dim
    assert process_row(store, Key(Kind.PROCESS, "fra-2", "5.1")) is None


async def test_nodes_are_asked_only_while_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.processes.EVERY_S", 0.01)
    store = filled()
    lister = Lister({"fra-1": (NodeProcess(pid=1, start_ticks=1),), "fra-2": Reason("denied", "not for you", "ask")})
    app = yard(store)
    app.session.fleet = lister  # type: ignore[assignment]
    async with app.run_test(size=(200, 40)) as pilot:
        assert lister.asked == 0
        await pilot.press("6")
        await until(lambda: lister.asked > 6)
        await until(lambda: "1" in shown(app))
        assert store.nodes["ams-1"].processes == {}
        await until(lambda: "not listed: 1 node (fra-2: not for you)" in lines(app, "#about")[0])
        assert WHISPER.name in store.nodes["fra-2"].processes  # what was known stays
        await pilot.press("1")
        await pilot.pause()
        before = lister.asked
        await asyncio.sleep(0.1)
        assert lister.asked == before


@pytest.mark.parametrize(
    ("role", "why"), [(Role.VIEWER, "an operator may start"), (Role.OPERATOR, "an admin may terminate processes")]
)
async def test_who_may_not_is_told_why(role: Role, why: str) -> None:
    store = filled()
    for view in store.nodes.values():
        view.role = role
    app = yard(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("6", "x")
        await until(lambda: any(why in note.message for note in app._notifications))
        await until(lambda: any("(x actions)" in text for text in lines(app, "#foot")))


@pytest.fixture
def orphan(agent: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Of an instance that this agent never heard of."""
    env = {"GPUYARD_INSTANCE": "ghost/0", "GPUYARD_STATE": str(agent.parent / "state")}
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], env=env) as process:
        yield process
        process.kill()


async def test_an_admin_ends_an_orphan(agent: Path, orphan: "subprocess.Popen[bytes]") -> None:
    async with console(agent) as found:
        await serve(found)
        await found.pilot.press("6")
        await until(lambda: shown(found.app)[:1] == [str(orphan.pid)] and len(shown(found.app)) == 2, LIMIT_S)
        question = await found.ask("1")
        assert f"here/{orphan.pid} python" in question
        assert "Left behind by ghost/0" in question
        await found.pilot.press("x", "1", "enter")
        await found.pilot.pause()
        assert orphan.poll() is None
        await found.ask("1")
        await found.pilot.press("y")
        await found.note(f"here/{orphan.pid} is gone.")
        await until(lambda: str(orphan.pid) not in shown(found.app), LIMIT_S)
        assert orphan.wait(10) == -15
        await refused_of_the_agent(found)


async def refused_of_the_agent(found: Console) -> None:
    """What the list does not have is refused by the node, whatever the console asks."""
    fleet = found.app.session.fleet
    assert fleet is not None
    await list_into(fleet, found.app.session.store, "here")
    assert all(one.kind is ProcessKind.OURS for one in found.app.session.store.nodes["here"].processes.values())
