"""Leases and their tokens: one holder at a time, and nothing from a token that is not the newest."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agents import wire
from agents.access.caller import Caller
from agents.access.leases import TTL_LEAST_S, Leases
from agents.access.peer import Peer
from agents.errors import Refused
from agents.events import EventLog
from profiles.observed.status import Role


class Node:
    """Leases on a directory, with a clock that a test moves; `restart` is the next agent."""

    def __init__(self, directory: Path) -> None:
        self.now_s = 1000.0
        self.directory = directory
        self.events = EventLog(directory / "events.jsonl")
        self.restart()

    def restart(self) -> None:
        self.leases = Leases(self.directory / "lease.json", self.events, clock=lambda: self.now_s, wall=lambda: 5.0)

    def take(self, who: Caller, *, force: bool = False, ttl_s: float = 30.0) -> int:
        return self.leases.take(who, wire.TakeLease(purpose="roll out", ttl_s=ttl_s, force=force)).token

    def may(self, token: int | None) -> str:
        """ "" or the code of the refusal."""
        try:
            self.leases.check(wire.SetDesired(expected_generation=0, instances={}, author="", reason="", token=token))
        except Refused as refusal:
            return refusal.code
        return ""


def caller(name: str) -> Caller:
    return Caller(Peer(1, os.geteuid()), Role.OPERATOR, name)


ANN, BOB = caller("ann"), caller("bob")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_nobody_needs_a_lease_while_nobody_holds_one(node: Node) -> None:
    assert node.may(None) == ""
    assert node.may(1) == "fenced"


def test_the_holder_changes_and_others_are_told_who_why_and_since_when(node: Node) -> None:
    token = node.take(ANN)
    node.now_s += 12
    assert node.may(token) == ""
    with pytest.raises(Refused) as refused:
        node.take(BOB)
    assert refused.value.code == "leased"
    assert "ann" in refused.value.message
    assert "12 s" in refused.value.message
    assert "roll out" in refused.value.message
    assert node.may(None) == "leased"


def test_silence_ends_it_and_traffic_keeps_it(node: Node) -> None:
    token = node.take(ANN)
    for _ in range(10):
        node.now_s += 20
        node.leases.heard(ANN)
        node.leases.heard(BOB)
    assert node.may(None) == "leased"
    node.now_s += 31
    assert node.may(None) == ""
    assert node.may(token) == ""  # it ran out, but nobody was given the next
    assert node.take(BOB, force=True) == token + 1
    assert node.may(token) == "fenced"


def test_a_forced_take_over_is_told(node: Node) -> None:
    token = node.take(ANN)
    assert node.take(BOB, force=True) == token + 1
    (event,) = node.events.after(0, 10)
    assert (event.code, event.author) == ("lease_forced", "bob")
    assert "from ann" in event.text
    assert node.may(token) == "fenced"
    with pytest.raises(Refused, match="bob"):
        node.leases.release(wire.ReleaseLease(token=token))


def test_a_released_token_is_worth_nothing(node: Node) -> None:
    token = node.take(ANN)
    node.leases.release(wire.ReleaseLease(token=token))
    assert (node.may(None), node.may(token)) == ("", "fenced")
    with pytest.raises(Refused, match="by its token"):
        node.leases.release(wire.ReleaseLease())


def test_a_lease_survives_the_agent_and_not_the_machine(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    token = node.take(ANN)
    node.now_s += 29
    node.restart()
    node.now_s += 29
    assert (node.may(None), node.may(token)) == ("leased", "")
    monkeypatch.setattr("agents.processes.tree.boot_id", lambda: "another")
    node.restart()
    assert (node.may(None), node.may(token)) == ("", "fenced")
    assert node.take(BOB) == token + 1


def test_a_lost_count_begins_above_every_token_there_was(node: Node) -> None:
    token = node.take(ANN)
    for path in node.directory.glob("lease.json*"):
        path.write_text("torn")
    node.restart()
    assert node.may(token) == "fenced"
    assert node.take(BOB) > token
    assert node.events.after(0, 10)[-1].code == "state_damaged"


def test_a_token_that_cannot_be_made_durable_is_not_given_out(node: Node) -> None:
    token = node.take(ANN)
    node.directory.rename(node.directory.with_name("away"))
    with pytest.raises(OSError, match="No such file"):
        node.take(BOB, force=True)
    node.directory.with_name("away").rename(node.directory)
    assert node.may(token) == ""


def test_times_are_kept_within_bounds(node: Node) -> None:
    node.take(ANN, ttl_s=0.0)
    node.now_s += TTL_LEAST_S - 1
    assert node.may(None) == "leased"


class Fencing(RuleBasedStateMachine):
    """Whoever does what and when: an effect has the newest token, or none while nobody holds the node."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.directory = tempfile.TemporaryDirectory()
        self.node = Node(Path(self.directory.name))
        self.given: list[int] = []
        self.over: set[int] = set()

    @rule(who=st.sampled_from([ANN, BOB]), force=st.booleans())
    def take(self, who: Caller, force: bool) -> None:
        try:
            token = self.node.take(who, force=force)
        except Refused:
            assert not force
            return
        assert not self.given or token > self.given[-1]
        self.over.update(self.given)
        self.given.append(token)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.given:
            token = data.draw(st.sampled_from(self.given))
            try:
                self.node.leases.release(wire.ReleaseLease(token=token))
            except Refused:
                assert token in self.over
            else:
                assert token not in self.over
                self.over.add(token)

    @rule(seconds=st.floats(0, 40), who=st.sampled_from([ANN, BOB]))
    def wait(self, seconds: float, who: Caller) -> None:
        self.node.now_s += seconds
        self.node.leases.heard(who)

    @rule()
    def restart(self) -> None:
        self.node.restart()

    @invariant()
    def only_the_newest_token_counts(self) -> None:
        if not hasattr(self, "given"):
            return
        held = self.node.leases.is_held
        assert self.node.may(None) == ("leased" if held else "")
        for token in self.given[:-1]:
            assert self.node.may(token) == "fenced"
        assert not (held and self.given[-1] in self.over)

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestFencing = Fencing.TestCase
TestFencing.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
