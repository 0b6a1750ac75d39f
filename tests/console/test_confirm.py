from textual import events

from console.app import Yard
from console.screens.dialog import Dialog
from console.screens.session import Session
from console.widgets.lines import Lines
from profiles.desired.model import Wanted
from profiles.observed.status import Reason, Role
from tests.fakes.fleet import FakeOperations, filled


def yard(refusal: Reason | None = None, *, read_only: bool = False) -> tuple[Yard, FakeOperations]:
    store = filled()
    operations = FakeOperations(store, refusal)
    return Yard(Session("prod", store, read_only, operations)), operations


def said(app: Yard) -> str:
    return drawn(app, "#said")


def notes(app: Yard) -> list[str]:
    return [note.message for note in app._notifications]


async def test_stop_names_its_blast_radius_and_is_applied_on_y_alone() -> None:
    app, operations = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "slash", *"llama-70b/0", "enter", "x")
        await pilot.pause()
        await pilot.press("2")
        await pilot.pause()
        assert "Stop llama-70b/0 on fra-1: 61 requests in flight." in said(app)
        await pilot.press("2", "x")
        assert operations.applied == []
        await pilot.press("y")
        await pilot.pause(0.1)
        [(plan, _)] = operations.applied
        assert plan.nodes[0].instances["llama-70b/0"].spec.wanted is Wanted.STOPPED
        assert notes(app) == ["fra-1 will stop llama-70b/0."]


async def test_taking_down_a_profile_names_all_of_it_and_what_stays() -> None:
    app, operations = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "slash", *"llama-70b/0", "enter", "x")
        await pilot.pause()
        await pilot.press("6")
        await pilot.pause()
        assert "Take down 7 instances on 3 nodes: an unknown number of requests in flight." in said(app)
        assert "llama-70b keeps 0 of 2 ready." in said(app)
        assert "U takes that back, node by node" in said(app)
        await pilot.press("escape", "x")
        await pilot.pause()
        await pilot.press("5")
        await pilot.pause()
        assert "Take down llama-70b/0 on fra-1: 61 requests in flight." in said(app)
        await pilot.press("y")
        await pilot.pause(0.1)
        [(plan, _)] = operations.applied
        assert [set(edit.instances) for edit in plan.nodes] == [{"llama-70b/1"}]
        assert notes(app) == ["fra-1 will take down llama-70b/0."]


async def test_notices_lie_on_no_question_and_no_resized_screen() -> None:
    app, _ = yard()
    async with app.run_test(size=(24, 6)) as pilot:
        app.notify("a long word about something that happened before, over several lines")
        await pilot.press("5", "x")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert notes(app) == []
        app.notify("what came meanwhile")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert notes(app) == []


async def test_enter_is_the_safe_answer() -> None:
    app, operations = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "x")
        await pilot.pause()
        await pilot.press("3")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert operations.applied == []
        assert not isinstance(app.screen, Dialog)


async def test_a_key_typed_before_the_question_was_painted_does_not_count() -> None:
    app, _ = yard()
    answers: list[str | None] = []
    async with app.run_test(size=(120, 40)) as pilot:
        early = events.Key("y", "y")
        dialog = Dialog([], [("y", "yes")])
        await app.push_screen(dialog, answers.append)
        await pilot.pause()
        dialog.post_message(early)
        await pilot.pause()
        assert answers == []
        await pilot.press("y")
        await pilot.pause()
        assert answers == ["y"]


async def test_a_refusal_stays_readable() -> None:
    app, _ = yard(Reason("stale", "the node moved on", "look again"))
    async with app.run_test(size=(120, 40)) as pilot:
        for key in ("5", "x", "3", "y"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.pause(0.1)
        [note] = list(app._notifications)
        assert "refused: the node moved on. look again" in note.message
        assert note.timeout >= 10
        assert note.markup is False


async def pressed(app: Yard) -> tuple[str, str]:
    """The bottom line and the line of `x` in help after `x` was pressed, which must open nothing."""
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "x")
        await pilot.pause()
        assert not isinstance(app.screen, Dialog)
        foot = drawn(app, "#foot")
        await pilot.press("question_mark")
        await pilot.pause()
        lines = drawn(app, "#detail").split("\n")
        at = next(at for at, line in enumerate(lines) if "Start, stop, drain it, let it sleep, take it down" in line)
        return foot, lines[at + 1]


def drawn(app: Yard, selector: str) -> str:
    return "\n".join("".join(text for text, _ in line) for line in app.screen.query_one(selector, Lines).lines)


async def test_viewers_and_read_only_consoles_see_the_key_dim_and_are_told_why() -> None:
    app, _ = yard(read_only=True)
    foot, help_line = await pressed(app)
    assert "(x actions)" in foot
    assert "--read-only" in notes(app)[0]
    assert "not now: this console was started with --read-only" in help_line
    app, _ = yard()
    for view in app.session.store.nodes.values():
        view.role = Role.VIEWER
    foot, help_line = await pressed(app)
    assert "(x actions)" in foot
    assert "your role on fra-2 is viewer" in notes(app)[0]
    assert "not now: your role on fra-2 is viewer" in help_line


async def test_the_key_is_dim_where_it_does_nothing_and_bright_where_it_does() -> None:
    app, _ = yard()
    app.session.store.nodes["fra-2"].role = Role.VIEWER
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await pilot.pause()
        assert "(x actions)" in drawn(app, "#foot")
        await pilot.press("j")
        await pilot.pause()
        assert "  x actions" in drawn(app, "#foot")
