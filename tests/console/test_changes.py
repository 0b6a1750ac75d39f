"""The time line on screens: of the fleet, of one thing, as marks under its charts, and what a row opens."""

from textual.pilot import Pilot

from agents.wire import Happened
from console.app import Yard
from console.changes import known, scope_of
from console.render.changes import marks
from console.screens.changes import ChangesScreen
from console.screens.instance import InstanceScreen
from console.screens.session import Session
from console.store import Key, Kind, NodeState, Store
from profiles.explain.timeline import Change, ChangeKind
from profiles.observed.finding import Severity
from profiles.observed.status import Event, EventKind, Reason
from tests.fakes.fleet import NOW_UNIX_S, FakeOperations, filled

CHAT = Key(Kind.INSTANCE, "fra-1", "llama-70b/0")


def edited(store: Store) -> None:
    text = "generation 9: load: llama-70b/0 options.max_num_seqs 64 → 96"
    event = Event(seq=9, at_unix_s=NOW_UNIX_S - 30, kind=EventKind.DESIRED, text=text, author="ana", code="edited",
                  touches=("llama-70b/0",))  # fmt: skip
    store.receive("fra-1", Happened(events=(event,)))


def texts(app: Yard) -> list[str]:
    assert isinstance(app.screen, ChangesScreen)
    order = app.screen.table().order
    return [order.rows[key].cells[4].text for key in order.keys]


async def opened(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def test_from_pulse_to_all_changes_to_the_instance_and_only_its_own() -> None:
    store = filled()
    edited(store)
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, "c")
        found = texts(app)
        assert "max_num_seqs 64 → 96" in found[0]
        assert len(found) > 2
        await opened(pilot, "enter")
        assert isinstance(app.screen, InstanceScreen)
        await opened(pilot, "c")
        assert [text for text in texts(app) if "64 → 96" in text] == texts(app)


def test_a_lost_link_is_a_change_of_all_that_is_on_the_node() -> None:
    store = filled()
    store.link("fra-1", NodeState.UNREACHABLE, Reason("silent", "no word for 15 s"))
    store.link("fra-1", NodeState.UP)
    found = [one.text for one in known(store, scope_of(store, CHAT))]
    assert found == ["fra-1 lost: no word for 15 s", "fra-1 is back"]
    elsewhere = known(store, scope_of(store, Key(Kind.INSTANCE, "fra-2", "qwen3-32b/0")))
    assert [one.kind for one in elsewhere] == [ChangeKind.APPLY]


def test_marks_stand_in_the_column_of_their_moment_and_the_worst_is_shown() -> None:
    def at(age_s: float, severity: Severity = Severity.INFO) -> Change:
        return Change(at_unix_s=1000 - age_s, kind=ChangeKind.XID, node="a", text="", severity=severity)

    line = marks([at(5), at(7, Severity.PROBLEM), at(895), at(2000)], 1000.0, 900.0, 10.0, 90)
    drawn = "".join(text for text, _ in line[1:-1])
    assert drawn == "╵" + " " * 88 + "!"
    assert marks([at(5)], 1000.0, 900.0, 10.0, 30)[1:-1][-1][0] == "╵"
    assert marks([], 1000.0, 900.0, 10.0, 90) == ()
