import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.app import App, ComposeResult

from agents.wire import Snapshot
from console.render.fit import fit, layout, wrap
from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.instances import INSTANCE_COLUMNS, instance_row
from console.render.table import Cell, Column, Row, natural
from console.store import Key, Kind, Store
from console.widgets.order import Order
from console.widgets.rows import Rows
from console.widgets.strips import draw
from profiles.desired.model import Desired
from profiles.observed.status import GpuReading, Phase
from tests.console.peer import instance, snapshot, status

COLUMNS = (Column("name", "Name", 8, priority=1), Column("n", "N", 6, right=True, priority=2),
           Column("rest", "Rest", 30, priority=3, grow=True))  # fmt: skip


def key(at: int) -> Key:
    return Key(Kind.GPU, f"n{at:04}")


class Table(App[None]):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.values = {key(at): float(at) for at in range(count)}

    def compose(self) -> ComposeResult:
        yield Rows(COLUMNS, self.make, empty="nothing yet: do this")

    def make(self, key: Key) -> Row | None:
        value = self.values.get(key)
        if value is None:
            return None
        return Row(key, (Cell(key.node, key.node), Cell(f"{value:.0f}", value), Cell("x\x1b]52;c;AA\x07[link=y]")))

    def on_mount(self) -> None:
        table = self.query_one(Rows)
        table.load(self.values)
        table.focus()

    @property
    def table(self) -> Rows:
        return self.query_one(Rows)


def test_columns_drop_by_priority_and_never_wrap() -> None:
    assert [at for at, _ in layout(COLUMNS, 100)] == [0, 1, 2]
    assert [at for at, _ in layout(COLUMNS, 20)] == [0, 1]
    assert [at for at, _ in layout(COLUMNS, 9)] == [0]
    assert sum(width for _, width in layout(COLUMNS, 100)) + 4 == 100


def test_a_column_that_can_shrink_does_so_before_one_that_matters_is_lost():
    columns = (Column("name", "Name", 8, priority=1), Column("n", "N", 6, priority=3), Column("m", "M", 6, priority=5),
               Column("why", "Why", 20, priority=2, grow=True, least=8))  # fmt: skip
    assert layout(columns, 50) == [(0, 8), (1, 6), (2, 6), (3, 24)]
    assert layout(columns, 40) == [(0, 8), (1, 6), (3, 22)]
    assert layout(columns, 30) == [(0, 8), (1, 6), (3, 12)]
    assert layout(columns, 22) == [(0, 8), (3, 12)]


@pytest.mark.parametrize("text", ["", "a b c", "keeps 1 of 2 ready. " * 5, "x" * 200, "模型" * 50, "a " + "模" * 30])
@pytest.mark.parametrize("width", [3, 20, 80])
def test_wrapped_text_fits_and_nothing_of_it_is_lost(text: str, width: int):
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wide_signs_are_cut_by_cells_and_controls_are_never_drawn() -> None:
    assert fit("模型模型", 5) == "模型…"
    assert "\x1b" not in fit("a\x1b[2J\u202eb\x9b", 20)


def test_equals_stand_by_node_then_gpu_number_whatever_the_order_of_the_sort():
    store = Store()
    for node in ("fra-10", "fra-2"):
        store.add_node(node)
        gpus = tuple(GpuReading(uuid=f"GPU-{9 - at}{node}", index=at, name="H100", busy_ratio=0.5) for at in (10, 2, 0))
        store.receive(node, Snapshot(status=replace(status(), gpus=gpus), desired=Desired()))
    order = Order(GPU_COLUMNS, lambda key: gpu_row(store, key))
    order.load(store.keys(Kind.GPU))
    shown = [(key.node, store.nodes[key.node].gpus[key.name].index) for key in order.keys]
    assert shown == [(node, at) for node in ("fra-2", "fra-10") for at in (0, 2, 10)]
    order.descending = True
    order.arrange()
    assert shown == [(key.node, store.nodes[key.node].gpus[key.name].index) for key in order.keys]


def test_instances_stand_in_natural_order():
    names = [f"chat/{at}" for at in (10, 2, 0, 1)]
    store = Store()
    for node in ("b", "a"):
        store.add_node(node)
        store.receive(node, snapshot(*(instance(name, Phase.READY) for name in names)))
    order = Order(INSTANCE_COLUMNS, lambda key: instance_row(store, key))
    order.load(store.keys(Kind.INSTANCE))
    assert [key.name for key in order.keys[::2]] == ["chat/0", "chat/1", "chat/2", "chat/10"]
    assert {(one.name, one.node, other.node) for one, other in zip(order.keys[::2], order.keys[1::2], strict=True)} == {
        (name, "a", "b") for name in names
    }


def test_rows_that_are_gone_leave_nothing_and_come_back_as_new_ones():
    values = {key(0): 1.0, key(1): 2.0}

    def make(key: Key) -> Row | None:
        return Row(key, (Cell(f"{values[key]}"),)) if key in values else None

    order = Order((Column("n", "N", 6),), make)
    order.load(list(values))
    before = order.versions[key(0)]
    del values[key(0)]
    order.update([key(0)])
    assert set(order.versions) == {key(1)}
    values[key(0)] = 9.0
    order.update([key(0)])
    assert order.versions[key(0)] > before
    order.load([key(0)])
    assert set(order.versions) == {key(0)}


async def test_only_the_changed_line_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Table(10_000)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        drawn: list[Key] = []

        def spy(row: Row, *rest: object) -> object:
            drawn.append(row.key)
            return draw(row, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr("console.widgets.rows.draw", spy)
        app.values[key(5)] = 77.0
        app.values[key(9000)] = 1.0
        app.table.change([key(5), key(6), key(9000)])
        await pilot.pause()
        assert drawn == [key(5)]


async def test_keys_move_and_the_cursor_stays_on_its_key_when_sorted() -> None:
    app = Table(100)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j", "j", "k")
        assert app.table.cursor == key(1)
        await pilot.press("G")
        assert app.table.cursor == key(99)
        await pilot.press("g", "pagedown")
        assert app.table.cursor == key(22)
        await pilot.press("o")
        assert app.table.order.keys[0] == key(99)
        assert app.table.cursor == key(22)
        await pilot.press("O")
        assert app.table.order.keys[0] == key(0)


async def test_filter_narrows_and_an_empty_table_says_so() -> None:
    app = Table(100)
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.narrow("N009")
        assert len(app.table.order.keys) == 10
        app.table.narrow("zzz")
        assert "nothing matches" in app.table.render_line(2).text
        app.values.clear()
        app.table.narrow("")
        app.table.load([])
        await pilot.pause()
        assert "nothing yet: do this" in app.table.render_line(2).text


async def test_a_row_that_goes_takes_the_cursor_to_a_row_that_is() -> None:
    app = Table(3)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("G")
        del app.values[key(2)]
        app.table.change([key(2)])
        assert app.table.cursor == key(0)


def test_a_name_of_thousands_of_digits_sorts_like_any_other():
    assert natural("a" + "9" * 5000) > natural("a2")
