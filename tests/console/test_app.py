import asyncio
import os
import pty
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from textual import events
from textual.binding import Binding
from textual.widgets import Input

from agents.wire import LogPiece
from console.app import Yard, write_report
from console.screens.base import YardScreen
from console.screens.gpus import GpusScreen
from console.screens.help import HelpScreen
from console.screens.instance import InstanceScreen
from console.screens.instances import InstancesScreen
from console.screens.logs import LogsScreen
from console.screens.nodes import NodesScreen
from console.screens.pulse import PulseScreen
from console.screens.services import ServicesScreen
from console.screens.session import Session
from console.store import Key, Kind, NodeState, Store
from console.widgets.log_lines import LogLines
from console.widgets.rows import Rows
from profiles.observed.status import Reason
from tests.fakes.fleet import Clock, FakeOperations, filled


def yard(store: Store | None = None) -> Yard:
    store = store or filled()
    return Yard(Session("prod", store, operations=FakeOperations(store)))


def text(app: Yard, selector: str) -> str:
    widget = app.screen.query_one(selector)
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


async def test_enter_drills_and_escape_goes_up_keeping_cursor_and_filter() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("2", "slash", "f", "r", "a", "enter", "j")
        assert isinstance(app.screen, NodesScreen)
        table = app.screen.table()
        cursor = table.cursor
        assert len(table.order.keys) == 2
        await pilot.press("enter")
        assert isinstance(app.screen, GpusScreen)
        assert len(app.screen.table().order.keys) == 8
        await pilot.press("enter")
        assert isinstance(app.screen, InstancesScreen)
        await pilot.press("enter")
        assert isinstance(app.screen, InstanceScreen)
        await pilot.press("escape", "escape", "escape")
        assert isinstance(app.screen, NodesScreen)
        assert app.screen.table().cursor == cursor
        assert len(app.screen.table().order.keys) == 2


async def test_numbers_go_anywhere_and_escape_stays_on_pulse() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for key, kind in (
            ("3", GpusScreen),
            ("4", ServicesScreen),
            ("5", InstancesScreen),
            ("2", NodesScreen),
            ("1", PulseScreen),
        ):
            await pilot.press(key)
            assert type(app.screen) is kind
        await pilot.press("escape", "escape")
        assert type(app.screen) is PulseScreen


async def test_help_names_every_key_and_every_binding_has_an_id_and_a_tooltip() -> None:
    app = yard()
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        places = (Yard, Rows, LogLines, NodesScreen, InstancesScreen, InstanceScreen, LogsScreen, YardScreen)
        own = [one for place in places for one in place.BINDINGS if isinstance(one, Binding)]
        assert len(own) > 30
        assert [one.action for one in own if not (one.id and one.tooltip)] == []
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "Start, stop, drain it, let it sleep, take it down" in text(app, "#detail")


async def test_head_counts_and_says_simulated_stale_and_lost() -> None:
    clock = Clock()
    store = filled(clock)
    app = yard(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "SIMULATED" in text(app, "#head")
        assert "nodes 3/3 up" in text(app, "#head")
        store.link("fra-1", NodeState.REFUSED, Reason("auth", "no key fits", "add one"))
        clock.passed_s = 5
        app.flush()
        await pilot.pause()
        assert "nodes 0/3 up" in text(app, "#head")
        assert "~2 stale" in text(app, "#head")
        assert "×1 refused" in text(app, "#head")
        assert "lost" not in text(app, "#head")
        assert "GPUs 16/24" in text(app, "#head")
        await pilot.press("2")
        await pilot.pause()
        assert "no key fits: add one" in text(app, "#rows")
        assert "last word 5s ago" in text(app, "#rows")
        store.link("fra-1", NodeState.UNREACHABLE)
        clock.passed_s += 1
        app.flush()
        await pilot.pause()
        assert "×1 lost" in text(app, "#head")


async def test_at_80_columns_the_clock_stays_and_what_a_row_cuts_is_said_below() -> None:
    clock = Clock()
    store = filled(clock)
    app = yard(store)
    why = Reason("silent", "the host is there, but its agent does not answer", "look at its log")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        store.link("fra-1", NodeState.REFUSED, why)
        clock.passed_s = 5
        app.flush()
        assert isinstance(app.screen, NodesScreen)
        app.screen.table().settle()
        await pilot.press("g")
        await pilot.pause()
        app.screen.tick()
        await pilot.pause()
        assert text(app, "#head").endswith(app.session.clock())
        assert "the host is there, but its agent does not answer: look at its log" in text(app, "#whole")
        app.screen.table().select(Key(Kind.NODE, "fra-2"))
        await pilot.pause()
        assert "agent does not answer" not in text(app, "#whole")


async def test_loading_and_error_say_what_is_going_on() -> None:
    store = Store()
    store.add_node("fra-1")
    app = yard(store)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "reaching 1 of 1 nodes" in text(app, "#rows")
        store.link("fra-1", NodeState.REFUSED, Reason("auth", "no key fits", "add one"))
        app.flush()
        await pilot.pause()
        assert "fra-1: no key fits. add one" in text(app, "#rows")


async def test_problems_only() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "exclamation_mark")
        assert [key.name for key in app.screen.query_one(Rows).order.keys] == ["rerank/0", "llama-70b/0"]
        await pilot.press("exclamation_mark")
        assert len(app.screen.query_one(Rows).order.keys) == 7


async def test_log_follows_searches_and_counts_what_is_missing() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "l")
        await pilot.pause(0.1)
        assert isinstance(app.screen, LogsScreen)
        log = app.screen.query_one(LogLines)
        assert "CUDA out of memory" in text(app, "#log")
        assert "10 bytes" in text(app, "#about")
        await pilot.press("g", "slash", *"step", "space", *"77", "enter")
        assert log.render_line(0).text.strip().endswith("step 77")
        assert not log.following
        await pilot.press("f")
        assert log.following
        log.dropped, log.skipped_bytes = 3, 77
        await pilot.press("p")
        await pilot.pause(0.1)
        assert (log.dropped, log.skipped_bytes) == (0, 10), "of the other run alone"
        assert not app.screen.query_one("#filter", Input).has_focus


def test_a_line_cut_over_two_pieces_is_one_line() -> None:
    log = LogLines()
    log._resized = lambda: None  # type: ignore[method-assign]
    for piece in ("one\ntw", "o\n", "three"):
        log.append(piece)
    assert list(log.lines) == ["one", "two", "three"]


def test_the_crash_report_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = write_report("what happened")
    assert path.read_text() == "what happened"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


SCRIPT = """
import sys
from pathlib import Path
from console import app as console_app
from console.contexts import Opened
from console.inventory import Inventory
if {crash}:
    def fail(self):
        canary = "s3cret-" + "canary"
        raise RuntimeError("broken on purpose")
    console_app.Yard._start = fail
print("asyncssh early" if "asyncssh" in sys.modules else "")
sys.exit(console_app.run(Opened(Inventory(nodes={{}}), Path("none"))))
"""


def on_terminal(tmp_path: Path, crash: bool, send: signal.Signals | None) -> tuple[int, bytes]:
    """Exit status and everything written by a console on a pty of its own."""
    leader, follower = pty.openpty()
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TERM": "xterm-256color"}
    child = subprocess.Popen([sys.executable, "-c", SCRIPT.format(crash=crash)], stdin=follower, stdout=follower,
                             stderr=follower, env=env, start_new_session=True)  # fmt: skip
    os.close(follower)
    said = b""
    try:
        while True:
            if not select.select([leader], [], [], 20)[0]:
                raise TimeoutError(said[-500:])
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            said += piece
            if send is not None and b"gpuyard" in said:
                child.send_signal(send)
                send = None
        return child.wait(10), said
    finally:
        child.kill()
        child.wait()
        os.close(leader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_a_usable_terminal(tmp_path: Path, number: signal.Signals) -> None:
    status, said = await asyncio.to_thread(on_terminal, tmp_path, False, number)
    assert status == 128 + number
    assert b"\x1b[?1049l" in said
    assert b"\x1b[?25h" in said
    assert b"asyncssh early" not in said


async def test_a_crash_restores_the_terminal_exits_with_1_and_keeps_locals_to_itself(tmp_path: Path) -> None:
    status, said = await asyncio.to_thread(on_terminal, tmp_path, True, None)
    assert status == 1
    assert b"\x1b[?1049l" in said
    report = next((tmp_path / "gpuyard").glob("crash-*.txt"))
    assert "broken on purpose" in report.read_text()
    assert str(report).encode() in said.replace(b"\r\n", b"")
    assert b"s3cret-canary" not in said
    assert "s3cret-canary" not in report.read_text()


async def test_what_is_typed_fast_is_what_is_typed_slowly() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for sign in ("5", "slash", "q", "w", "e", "n", "enter", "enter", "l", "escape", "l"):
            app.post_message(events.Key(sign, sign if len(sign) == 1 else None))
        async with asyncio.timeout(10):
            while app._typed or app._in_hand or not isinstance(app.screen, LogsScreen):
                await pilot.pause(0.02)
        assert isinstance(app.screen, LogsScreen)
        assert app.screen.key.name == "qwen3-32b/0"
        assert [type(screen) for screen in app.screen_stack[2:]] == [InstancesScreen, InstanceScreen, LogsScreen]


async def test_the_answer_of_a_node_may_come_after_the_log_was_closed() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "l")
        await pilot.pause(0.1)
        screen = app.screen
        assert isinstance(screen, LogsScreen)
        await pilot.press("escape")
        await pilot.pause(0.1)
        screen._take(LogPiece(text="late\n", offset=0, next_offset=5))
        screen.fill()


async def test_a_flush_before_a_screen_has_its_widgets_is_harmless() -> None:
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        pushed = app.push_screen(GpusScreen(app.session))
        app.flush()
        app.screen.post_message(events.ScreenResume())
        await pushed
        await pilot.pause()
        app.flush()
        assert len(app.screen.query_one(Rows).order.keys) == 24
