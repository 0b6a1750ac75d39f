"""The lines of pulse and of an instance: what is a problem, what is not, what fits."""

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from agents.wire import Delta, Happened
from console.render.consequence import consequence
from console.render.fit import Line
from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.heatmap import heatmap
from console.render.instance import instance_lines
from console.render.instances import instance_row
from console.render.pulse import changes, problem_line, problems
from console.store import Key, Kind, NodeState, Store
from profiles.observed.status import Event, EventKind, Phase, Reason
from profiles.plans.verb_plan import Verb, plan_verb
from tests.console.peer import instance, snapshot
from tests.fakes.fleet import Clock, filled


def said(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_a_gpu_at_its_power_limit_is_busy_and_not_sick():
    store = filled()
    key = Key(Kind.GPU, "fra-1", "GPU-fra-1-0")
    reading = store.nodes["fra-1"].gpus[key.name]
    store.receive("fra-1", Delta(at_unix_s=store.wall(), gpus=(replace(reading, throttle=("sw_power_cap",)),)))
    row = gpu_row(store, key)
    assert row is not None
    assert not row.is_problem
    assert not any("gpu0" in text for text, _ in problems(store))
    store.receive("fra-1", Delta(at_unix_s=store.wall(), gpus=(replace(reading, throttle=("hw_thermal",)),)))
    assert any(text == "fra-1 gpu0 throttled: hw thermal" for text, _ in problems(store))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_problems_fit_and_are_counted(width: int):
    store = filled()
    store.link("ams-1", NodeState.REFUSED, Reason("auth", "no key fits " * 20))
    found = problems(store)
    [line] = said(problem_line(store, width))
    assert cell_len(line) <= width
    named = [text for text, _ in found if text in line]
    rest = 0 if "more" not in line else int(line.rsplit("… ", 1)[1].split()[0])
    assert named[:1] or "…" in line
    assert rest >= len(found) - len(named) - 1
    assert line.startswith(f" Problems {len(found)} ")


def test_an_ordinary_day_has_no_line_of_problems():
    store = Store()
    store.add_node("n")
    store.receive("n", snapshot(instance("chat/0", Phase.READY)))
    assert problem_line(store, 80) == []


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_map_has_its_whole_legend(width: int):
    legend, *drawn = said(heatmap(filled().nodes, width, 8))
    assert cell_len(legend) <= width
    signs = {sign for sign in "▒!⊘~×" if sign in "".join(drawn)}
    assert signs
    assert {sign for sign in signs if f"{sign} " not in legend} == set()
    assert legend.endswith("× lost") or width < 100


def test_changes_are_the_newest_of_all_nodes_newest_first():
    store = filled()
    for seq, node in enumerate(("ams-1", "fra-1")):
        event = Event(seq=9, at_unix_s=store.wall() - 60 + seq, kind=EventKind.AGENT, text=f"from {node}")
        store.receive(node, Happened(events=(event,)))
    lines = said(changes(store, 3))
    assert [line.split()[-1] for line in lines] == ["Changes", "memory", "fra-1", "ams-1"]


def test_an_instance_says_why_a_figure_is_not_available():
    store = filled()
    key = Key(Kind.INSTANCE, "fra-1", "llama-70b/0")
    status = store.nodes["fra-1"].instances[key.name]
    assert status.reading is not None
    absent = {"ttft": "this engine counts no first tokens", "waiting": "it has no queue"}
    reading = replace(status.reading, absent=absent, ttft=None, waiting=None)
    store.receive("fra-1", Delta(at_unix_s=store.wall(), instances=(replace(status, reading=reading),)))
    row = instance_row(store, key)
    assert row is not None
    assert [cell.text for cell in row.cells].count("n/a") == 2
    assert "this engine counts no first tokens" in [line.strip() for line in said(instance_lines(store, key, 80))]
    page = said(instance_lines(store, key, 120))
    assert any(line.startswith(" TTFT") and line.endswith("n/a   this engine counts no first tokens") for line in page)
    assert any(line.strip() == "queue n/a: it has no queue" for line in page)


def test_what_is_old_is_dim_and_says_its_age_wherever_it_stands():
    clock = Clock()
    store = filled(clock)
    clock.passed_s = 5
    store.age()
    key = Key(Kind.INSTANCE, "fra-1", "llama-70b/0")
    row, gpu = instance_row(store, key), gpu_row(store, Key(Kind.GPU, "fra-1", "GPU-fra-1-0"))
    assert row is not None
    assert gpu is not None
    assert row.dim
    assert row.cells[-1].text == "5s old, node stale"
    assert gpu.dim
    assert row.is_problem
    assert gpu.cells[[column.id for column in GPU_COLUMNS].index("state")].text == "~ stale 5s"
    assert any("stale: all below is as of 5s ago" in line for line in said(instance_lines(store, key, 80)))


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_an_instance_is_wider_than_the_screen(width: int):
    store = filled()
    for key in store.keys(Kind.INSTANCE):
        view = store.nodes[key.node]
        status = replace(view.instances[key.name], reason=Reason("oom", "out of memory " * 20, "take less " * 20))
        store.receive(key.node, Delta(at_unix_s=store.wall(), instances=(status,)))
        assert [line for line in said(instance_lines(store, key, width)) if cell_len(line) > width] == []


def test_a_question_says_what_capacity_is_left():
    store = filled()
    desired = {name: view.desired for name, view in store.nodes.items()}
    plan = plan_verb(Verb.STOP, [("fra-1", "llama-70b/0"), ("fra-2", "qwen3-32b/0"), ("fra-2", "qwen3-32b/1")], desired)
    words = consequence(Verb.STOP, plan, store)
    assert words.endswith("in flight. llama-70b keeps 1 of 2 ready. qwen3-32b keeps 0 of 2 ready. Frees $23.60/h.")
