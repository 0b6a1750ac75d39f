from hypothesis import given
from hypothesis import strategies as st

from agents.instances.turns import Before, Blocker, Turns


def test_one_loads_and_the_longest_waiting_is_next() -> None:
    turns = Turns()
    assert turns.ask("a/0", ["GPU-1"]) is None
    assert turns.ask("b/0", ["GPU-1"]) == Blocker("a/0", Before.LOADS)
    assert turns.ask("c/0", ["GPU-1"]) == Blocker("a/0", Before.LOADS)
    turns.leave("a/0")
    assert turns.ask("c/0", ["GPU-1"]) == Blocker("b/0", Before.IS_NEXT)
    assert turns.ask("b/0", ["GPU-1"]) is None
    turns.leave("b/0")
    assert turns.ask("c/0", ["GPU-1"]) is None


def test_other_gpus_and_none_do_not_wait() -> None:
    turns = Turns()
    assert turns.ask("a/0", ["GPU-1"]) is None
    assert turns.ask("b/0", ["GPU-2"]) is None
    assert turns.ask("c/0", []) is None
    assert turns.ask("a/0", ["GPU-1"]) is None


def test_who_left_the_queue_blocks_nobody() -> None:
    turns = Turns()
    turns.hold("a/0", ["GPU-1"])
    assert turns.ask("b/0", ["GPU-1"]) is not None
    assert turns.ask("c/0", ["GPU-1"]) is not None
    turns.leave("b/0")
    turns.leave("a/0")
    assert turns.ask("c/0", ["GPU-1"]) is None


def test_what_is_left_on_a_gpu_keeps_all_others_off_it_until_it_is_gone() -> None:
    turns = Turns()
    turns.leave_behind("a/0", ["GPU-1", "GPU-2"])
    turns.leave("a/0")  # which is about turns alone
    assert turns.left_by("b/0", ["GPU-2", "GPU-3"]) == Blocker("a/0", Before.LEFT)
    assert turns.left_by("b/0", ["GPU-3"]) is None
    assert turns.left_by("a/0", ["GPU-1"]) is None
    turns.leave_behind("a/0", [])
    assert turns.left_by("b/0", ["GPU-1"]) is None


NAMES = st.sampled_from("abcd")
GPUS = st.frozensets(st.sampled_from(["GPU-1", "GPU-2", "GPU-3"]), max_size=2)


@given(st.lists(st.tuples(NAMES, GPUS | st.none())))
def test_no_gpu_is_held_twice_and_somebody_can_always_go_on(steps: list[tuple[str, frozenset[str] | None]]) -> None:
    turns = Turns()
    held: dict[str, frozenset[str]] = {}
    asked: dict[str, frozenset[str]] = {}
    for name, gpus in steps:
        if gpus is None:
            turns.leave(name)
            held.pop(name, None)
            asked.pop(name, None)
        elif name not in held:
            asked[name] = gpus
            if turns.ask(name, gpus) is None:
                held[name] = asked.pop(name)
        assert len(flat := [uuid for mine in held.values() for uuid in mine]) == len(set(flat))
    for name in held:
        turns.leave(name)
    assert not asked or any(turns.ask(name, gpus) is None for name, gpus in asked.items())
