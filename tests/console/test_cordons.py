"""Cordons wherever a node or a GPU is shown, and the key that sets them."""

from msgspec.structs import replace

from agents.wire import Delta
from console.app import Yard
from console.cli import items
from console.render.cordons import count
from console.render.gpus import gpu_row
from console.render.heatmap import heatmap
from console.render.instance import instance_lines
from console.render.nodes import node_row
from console.screens.dialog import Dialog
from console.screens.session import Session
from console.store import Key, Kind, Store
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.desired.model import Cordon
from profiles.placing.cordon import NODE
from tests.console.peer import until
from tests.fakes.fleet import NOW_UNIX_S, FakeOperations, filled


def cordoned(store: Store, node: str, *keys: str) -> None:
    cordons = {
        key: Cordon(gpu_index=int(key[-1]) if key else None, reason="fan", author="ana", at_unix_s=NOW_UNIX_S - 60)
        for key in keys
    }
    desired = replace(store.nodes[node].desired, cordons=cordons)
    store.receive(node, Delta(at_unix_s=NOW_UNIX_S, desired=desired))


def test_a_cordoned_gpu_says_so_everywhere() -> None:
    store = filled()
    free = "GPU-ams-1-7"
    store.take_dirty()
    cordoned(store, "ams-1", free)
    assert Key(Kind.GPU, "ams-1", free) in store.take_dirty()
    row = gpu_row(store, Key(Kind.GPU, "ams-1", free))
    assert row is not None
    assert row.cells[0].text == "⊘ cordoned"
    assert "GPU 7 cordoned by ana 1m00s ago: fan" in row.cells[-1].text
    node = node_row(store, Key(Kind.NODE, "ams-1"))
    assert node is not None
    assert node.cells[0].text == "  up"
    assert "GPU 7 cordoned by ana" in node.cells[-1].text
    drawn = "\n".join("".join(text for text, _ in line) for line in heatmap(store.nodes, 120, 10)[1:])
    assert drawn.count("⊘") == 1
    view = store.nodes["ams-1"]
    item = items.gpu_item(view, view.gpus[free])
    assert item["cordon"] == {"gpu_index": 7, "reason": "fan", "author": "ana", "at_unix_s": NOW_UNIX_S - 60}
    assert items.gpu_item(view, view.gpus["GPU-ams-1-0"])["cordon"] is None
    assert count(list(store.nodes.values())) == "1 GPU cordoned"


def test_a_cordoned_node_says_so_and_all_its_gpus() -> None:
    store = filled()
    cordoned(store, "fra-1", NODE)
    node = node_row(store, Key(Kind.NODE, "fra-1"))
    assert node is not None
    assert node.cells[0].text == "⊘ cordoned"
    assert not node.is_problem
    assert items.node_item(store, store.nodes["fra-1"])["cordon"] is not None
    lines = instance_lines(store, Key(Kind.INSTANCE, "fra-1", "llama-70b/0"), 100)
    assert any("node cordoned by ana" in text for line in lines for text, _ in line)
    assert count(list(store.nodes.values())) == "1 node cordoned"


def _at(table: Rows, node: str) -> int:
    return [key.node for key in table.order.keys].index(node)


async def test_the_key_asks_first_and_takes_back_what_is_cordoned() -> None:
    store = filled()
    cordoned(store, "fra-1", NODE)
    operations = FakeOperations(store)
    app = Yard(Session("prod", store, operations=operations))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("2")
        for at, (verb, node) in enumerate((("uncordon", "fra-1"), ("cordon", "ams-1"))):
            await until(lambda: bool(app.screen.query("#rows")))
            table = app.screen.query_one("#rows", Rows)
            await pilot.press("g", *"j" * _at(table, node))
            await pilot.press("x")
            await until(lambda: isinstance(app.screen, Dialog) and app.screen._painted_at is not None)
            said = "".join(text for line in app.screen.query_one("#said", Lines).lines for text, _ in line)
            assert f"yes, {verb} it" in said
            await pilot.press("y")
            await until(lambda at=at: len(operations.applied) == at + 1)
    lifted, set_ = (plan.nodes[0] for plan, _ in operations.applied)
    assert (lifted.node, lifted.cordons) == ("fra-1", {})
    assert (set_.node, list(set_.cordons or {})) == ("ams-1", [NODE])
