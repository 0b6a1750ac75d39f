from console.render.fit import Line
from console.render.heatmap import heatmap
from console.store import NodeState
from tests.fakes.fleet import filled, many


def texts(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def test_a_cell_a_gpu_with_signs_below_that_keep_the_level() -> None:
    lines = texts(heatmap(filled().nodes, 120, 10))
    assert lines[1:] == [" fra-1 ████████   fra-2 ▅▅▅▅·▅··   ams-1 ▁▁▁▁····", "          !                  ▒"]


def test_a_cell_a_node_when_gpus_do_not_fit() -> None:
    store = many(200)
    store.link("n0000", NodeState.UNREACHABLE)
    lines = texts(heatmap(store.nodes, 120, 8))
    assert "a node" in lines[0]
    assert all(len(line) <= 120 for line in lines)
    assert lines[2].strip() == "×"


def test_never_higher_than_asked_and_says_what_found_no_room() -> None:
    lines = texts(heatmap(many(2000).nodes, 80, 6))
    assert len(lines) == 6
    assert "2000 nodes in all" in lines[-1]


def test_nothing_to_draw() -> None:
    assert heatmap({}, 80, 6) == []
