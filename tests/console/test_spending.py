"""What the fleet costs, against a sum by hand over the same store."""

import json

import pytest
from msgspec.structs import replace

from console.app import Yard
from console.render.bill import bill_item, bill_lines, spent_now
from console.render.consequence import consequence
from console.render.fit import whole
from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.pulse import problems
from console.render.services import services
from console.render.table import Tone
from console.screens.session import Session
from console.spending import BY, grouped, of_fleet, of_instance, of_node, of_plan
from console.store import Key, Kind, NodeState
from console.widgets.lines import Lines
from profiles.money.budgets import Budget
from profiles.money.money import MICRO
from profiles.money.prices import Sheet
from profiles.observed.status import Phase
from profiles.plans.verb_plan import Verb, plan_verb
from tests.fakes.fleet import FakeOperations, filled

H100 = 2_950_000


def test_the_fleet_adds_up_to_the_cent() -> None:
    """24 H100 at 2.95 $; llama-70b has 12 of them, qwen3-32b 4. What failed or is stopped has none."""
    store = filled()
    bill = of_fleet(store)
    assert bill.total == 24 * H100
    assert bill.instances == {
        "llama-70b/0": 4 * H100, "llama-70b/1": 4 * H100, "llama-70b/2": 4 * H100, "qwen3-32b/0": 2 * H100,
        "qwen3-32b/1": 2 * H100,
    }  # fmt: skip
    foreign = H100 * 31_900 // 81_559
    assert (bill.foreign, bill.unallocated) == (foreign, 8 * H100 - foreign)
    assert bill.idle == 0
    assert sum(of_node(store.sheet, view).total for view in store.nodes.values()) == bill.total
    assert all(sum(grouped(store, by).values()) == bill.allocated for by in BY)
    assert grouped(store, "service") == {"llama-70b": 12 * H100, "qwen3-32b": 4 * H100}
    assert grouped(store, "owner") == {"": 16 * H100}


def test_a_plan_is_priced_by_what_its_nodes_run() -> None:
    store = filled()
    desired = {name: view.desired for name, view in store.nodes.items()}
    found = of_plan(store, plan_verb(Verb.STOP, [("fra-1", "llama-70b/0")], desired))
    assert (found.before_microusd_h, found.delta_microusd_h, len(found.gpus)) == (4 * H100, -4 * H100, 4)


def test_a_node_that_does_not_answer_is_in_no_sum() -> None:
    store = filled()
    store.link("fra-1", NodeState.UNREACHABLE)
    assert of_fleet(store).total == 16 * H100


def test_without_a_price_nothing_is_free() -> None:
    store = filled()
    store.sheet = Sheet()
    bill = of_fleet(store)
    assert (bill.total, bill.unpriced) == (0, 24)
    view = store.nodes["fra-1"]
    assert of_instance(store.sheet, view, view.instances["llama-70b/0"]) is None
    assert spent_now(store) == ()
    row = gpu_row(store, Key(Kind.GPU, "fra-1", "GPU-fra-1-0"))
    assert row is not None
    cost = next(at for at, column in enumerate(GPU_COLUMNS) if column.id == "cost")
    assert row.cells[cost].text == "–"
    assert any("unpriced      24 GPUs" in line for line in bill_lines(bill, store))


def test_a_launch_that_failed_pays_nothing() -> None:
    store = filled()
    view = store.nodes["fra-1"]
    status = view.instances["llama-70b/0"]
    assert of_instance(store.sheet, view, status) == 4 * H100
    for phase in (Phase.FAILED, Phase.PENDING, Phase.BACKOFF):
        assert of_instance(store.sheet, view, replace(status, phase=phase)) is None


def test_a_million_tokens_by_hand() -> None:
    """qwen3-32b makes 2 × 44.2 × 150 tokens a second on four GPUs: 11.80 $/h ÷ (13,260 × 0.0036)."""
    (qwen,) = [one for one in services(filled()) if one.name == "qwen3-32b"]
    assert qwen.microusd_h == 4 * H100
    assert qwen.traffic.generation_tok_s == pytest.approx(13_260)


def test_the_lines_and_the_json_say_the_same() -> None:
    store = filled()
    bill = of_fleet(store)
    lines = bill_lines(bill, store)
    assert lines[5].split() == ["all", "70.80", "1,699.20", "51,684.00", "620,208.00"]
    item = json.loads(json.dumps(bill_item(bill, store)))
    assert item["usd_h"] == pytest.approx(bill.total / MICRO)
    assert "2026-05-15 to 2026-11-09" in lines[-1]


def test_a_figure_that_has_no_room_is_left_out_whole() -> None:
    line = ((" GPUs 24", Tone.PLAIN), ("   $70.80/h", Tone.PLAIN), ("  idle $2.95/h", Tone.DIM))
    assert whole(line, 33) == line
    assert whole(line, 32) == line[:2]
    assert whole(line, 10) == line[:1]
    assert whole(line, 3) == ()


async def test_the_cost_screen_says_whose_money_by_turns() -> None:
    store = filled()
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("8")
        await pilot.pause()
        shown = "\n".join("".join(text for text, _ in line) for line in app.screen.query_one("#detail", Lines).lines)
        assert "70.80" in shown
        assert "By service" in shown
        assert shown.index("llama-70b") < shown.index("qwen3-32b")
        await pilot.press("b")
        await pilot.pause()
        shown = "\n".join("".join(text for text, _ in line) for line in app.screen.query_one("#detail", Lines).lines)
        assert "By instance" in shown
        assert "fra-1:llama-70b/0" in shown


def test_the_question_before_a_stop_says_what_it_frees() -> None:
    store = filled()
    desired = {view.name: view.desired for view in store.nodes.values()}
    for verb, said in ((Verb.STOP, True), (Verb.STOP_NOW, True), (Verb.RESTART, False), (Verb.DRAIN, False)):
        plan = plan_verb(verb, [("fra-1", "llama-70b/0")], desired)
        assert ("Frees $11.80/h." in consequence(verb, plan, store)) is said
    store.sheet = Sheet()
    plan = plan_verb(Verb.STOP, [("fra-1", "llama-70b/0")], desired)
    assert "Frees" not in consequence(Verb.STOP, plan, store)


def test_over_budget_is_a_problem_and_is_in_the_bill() -> None:
    """llama-70b has 12 GPUs: 35.40 $/h, 849.60 $ a day; qwen3-32b 283.20 $."""
    store = filled()
    budgets = [Budget(kind="service", name=name, microusd_day=600 * MICRO) for name in ("llama-70b", "qwen3-32b")]
    store.sheet = Sheet(store.sheet.rows, budgets)
    said = "service llama-70b spends $849.60 a day of $600.00"
    assert [text for text, _ in problems(store) if "spends" in text] == [said]
    bill = of_fleet(store)
    assert [line for line in bill_lines(bill, store) if "budget" in line] == [f"over budget   {said}"]
    over = bill_item(bill, store)["over_budget"]
    assert over == [{"service": "llama-70b", "usd_day": 849.6, "budget_usd_day": 600.0}]
    store.sheet = Sheet(store.sheet.rows)
    assert not any("budget" in line for line in bill_lines(bill, store))
