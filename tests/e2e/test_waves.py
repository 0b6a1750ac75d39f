"""Applies in waves over a real sshd on two nodes: gated, taken back, left by a dead console and gone on with."""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.pair import NODES, QUICK, Pair
from tests.e2e.sshd import Host

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def pair(host: Host) -> Iterator[Pair]:
    found = Pair(host)
    found.set_up()
    try:
        yield found
    finally:
        found.tear_down()


def test_replicas_are_replaced_one_after_another_and_the_revision_stands_at_the_end(pair: Pair) -> None:
    said = pair.run("apply", "-f", pair.profile(), "--yes")
    assert "wave 1 of 1: start chat/0 on one, start chat/1 on two" in said
    said = pair.run("apply", "-f", pair.profile({**QUICK, "soak": "1s"}, seed=1), "--yes")
    waves = [line for line in said.splitlines() if "wave " in line or "has to stay so" in line]
    assert [line.split(": ")[1] for line in waves] == [
        "wave 1 of 2", "all ready, has to stay so for 1 s", "wave 2 of 2", "all ready, has to stay so for 1 s",
    ]  # fmt: skip
    assert said.index("one chat/0 ready") < said.index("wave 2 of 2")
    assert {one["seed"] for one in pair.options().values()} == {1}
    assert [pair.document(node)["standing"]["p"]["number"] for node in NODES] == [2, 2]
    assert [pair.journal(node)["state"] for node in NODES] == ["done", "done"]


def test_an_engine_that_crashes_at_its_load_is_taken_back_everywhere(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    said = pair.run("apply", "-f", pair.profile(program="/bin/false"), "--yes", code=5)
    assert "rolling back, wave 1 of 1: replace chat/0 on one" in said
    assert "rolled back" in said
    assert pair.instances() == {"chat/0": "ready", "chat/1": "ready"}
    assert all("program" not in one for one in pair.options().values())
    first, back = (pair.heads("one", number) for number in (1, 3))
    assert [pair.document(node)["standing"]["p"]["number"] for node in NODES] == [3, 3]
    assert first[-1]["digest"] == back[-1]["digest"], "it is a revision of its own, and means what stood before"
    said = pair.run("undo", "p", "--yes")
    assert "Undoes r1 of p" in said, "not the way back, which would bring the failed one again"
    assert pair.instances() == {}


def test_one_that_does_not_stay_ready_is_taken_back(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    said = pair.run("apply", "-f", pair.profile({**QUICK, "soak": "10s"}, crash_after=2.5), "--yes", code=5)
    assert "has to stay so for 10 s" in said
    assert "wave 2 of 2" not in said
    assert pair.instances() == {"chat/0": "ready", "chat/1": "ready"}
    assert all("crash_after" not in one for one in pair.options().values())


def test_a_failure_may_pause_it_and_the_next_apply_takes_its_place(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    pausing = {**QUICK, "on_failure": "pause"}
    said = pair.run("apply", "-f", pair.profile(pausing, program="/bin/false"), "--yes", code=6)
    assert "gpuyard apply --resume" in said
    assert "is paused at wave 1 of 2" in pair.run("status")
    assert any("is paused at wave 1 of 2" in one["text"] for one in pair.items("events"))
    pair.run("apply", "-f", pair.profile(pausing), "--yes")
    assert pair.instances() == {"chat/0": "ready", "chat/1": "ready"}
    assert "paused" not in pair.run("status")


@pytest.mark.parametrize("wave", [0, 1])
@pytest.mark.parametrize("back", [False, True])
def test_a_console_that_is_killed_in_a_wave_leaves_what_another_goes_on_with(pair: Pair, wave: int, back: bool) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    console = pair.start("apply", "-f", pair.profile(seed=1, load_seconds=3), "--yes")
    pair.until_wave(wave)
    console.send_signal(signal.SIGKILL)
    console.communicate()
    leased = pair.run("apply", "--resume", "--yes", code=1, user="bob")
    assert "holds this node" in leased
    words = ["apply", "--resume", "--take-over", "--yes", *(["--rollback"] if back else [])]
    said = pair.run(*words, code=5 if back else 0, user="bob")
    assert f"p r2 by ana is rolling at wave {wave + 1} of 2" in said
    assert pair.instances() == {"chat/0": "ready", "chat/1": "ready"}
    assert {one.get("seed") for one in pair.options().values()} == {None if back else 1}
    assert "no apply is open" in pair.run("apply", "--resume", "--yes", code=1)


def test_a_node_that_is_gone_is_taken_back_once_it_answers_again(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    console = pair.start("apply", "-f", pair.profile(seed=1, load_seconds=3), "--yes")
    pair.until_wave(1)
    answers = pair.silence("two")
    _, said = console.communicate(timeout=90)
    assert console.returncode == 6, said
    assert "two cannot be reached and is not rolled back" in said
    assert pair.options()["chat/0"].get("seed") is None
    answers()  # whoever held it is not heard of any more, and its lease lasts a while
    pair.run("apply", "--resume", "--take-over", "--yes", code=5)
    assert pair.instances() == {"chat/0": "ready", "chat/1": "ready"}
    assert {one.get("seed") for one in pair.options().values()} == {None}


def test_ctrl_c_leaves_it_paused_and_what_was_asked_for_goes_on(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    console = pair.start("apply", "-f", pair.profile(seed=1, load_seconds=3), "--yes")
    pair.until_wave(0)
    console.send_signal(signal.SIGINT)
    _, said = console.communicate(timeout=20)
    assert console.returncode == 130
    assert "left paused" in said
    pair.run("apply", "--resume", "--yes", user="bob")
    assert {one["seed"] for one in pair.options().values()} == {1}


def test_of_two_consoles_one_applies_and_the_other_changes_nothing(pair: Pair) -> None:
    pair.run("apply", "-f", pair.profile(), "--yes")
    console = pair.start("apply", "-f", pair.profile(seed=1, load_seconds=2), "--yes")
    pair.until_wave(0)
    said = pair.run("apply", "-f", pair.profile(seed=2), "--yes", code=1, user="bob")
    assert "holds this node" in said
    said = pair.run("stop", "chat/1", "--yes", code=1, user="bob")
    assert "holds this node" in said
    pair.run("apply", "-f", pair.profile(seed=3), "--take-over", "--yes", user="eve")
    out, said = console.communicate(timeout=60)
    assert console.returncode == 6, out + said
    assert "took over" in said or "superseded by eve" in said
    assert {one["seed"] for one in pair.options().values()} == {3}
