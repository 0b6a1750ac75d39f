"""Who keeps an agent, in the row and on the page of its node."""

from agents.wire import Delta
from console.app import Yard
from console.render.node import node_lines
from console.render.nodes import node_row
from console.render.table import Tone
from console.screens.dialog import Dialog
from console.screens.node import NodeScreen
from console.screens.session import Session
from console.store import Key, Kind, NodeState, Store
from profiles.observed.kept import Kept, KeptBy
from profiles.observed.status import Reason
from tests.console.peer import until
from tests.fakes.fleet import NOW_UNIX_S, FakeOperations, filled

DETACHED = Kept(by=KeptBy.DETACHED, fix="do this")


def kept_by(kept: Kept) -> Store:
    store = filled()
    store.receive("fra-1", Delta(at_unix_s=NOW_UNIX_S, kept=kept))
    return store


def why(store: Store) -> tuple[str, Tone]:
    row = node_row(store, Key(Kind.NODE, "fra-1"))
    assert row is not None
    return row.cells[-1].text, row.cells[-1].tone


def page(store: Store, width: int = 100) -> list[str]:
    return ["".join(text for text, _ in line) for line in node_lines(store, "fra-1", width)]


def test_what_is_not_restarted_after_a_boot_is_a_dim_remark_with_its_fix_on_the_page() -> None:
    store = kept_by(DETACHED)
    assert why(store) == ("not restarted after boot", Tone.DIM)
    store.receive("fra-1", Delta(at_unix_s=NOW_UNIX_S))
    lines = page(store)
    at = next(at for at, line in enumerate(lines) if "Kept by" in line)
    assert "a detached daemon, not restarted after boot" in lines[at]
    assert lines[at + 1].strip() == "do this"
    lingers = kept_by(Kept(by=KeptBy.USER_UNIT, after_boot="linger"))
    assert why(lingers) == ("", Tone.DIM)
    assert any("a user unit, started after a boot (linger)" in line for line in page(lingers))
    assert not any("Kept by" in line for line in page(filled()))


def test_a_node_that_is_gone_says_that_instead() -> None:
    store = kept_by(DETACHED)
    store.link("fra-1", NodeState.UNREACHABLE, Reason("lost", "the connection broke", "see the host"))
    text, tone = why(store)
    assert text.startswith("the connection broke: see the host")
    assert "boot" not in text
    assert tone is Tone.BAD
    lines = page(store)
    assert "all below is as of" in lines[0]
    assert "the connection broke" in lines[1]


async def test_d_opens_the_page_and_it_fits_a_small_terminal() -> None:
    store = kept_by(DETACHED)
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, NodeScreen))
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Dialog))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, NodeScreen))
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, NodeScreen))
    assert max(map(len, page(store, 40))) <= 40
