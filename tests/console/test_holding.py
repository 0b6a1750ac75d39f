"""Leases of several nodes: all or none, given back whatever happens."""

import pytest

from agents import wire
from console.holding import NotHeld, held
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed.status import Reason

LEASED = RequestFailed(Reason("leased", "bob holds this node since 12 s: apply"), "b")
GONE = NodeUnreachable(Reason("lost", "the link broke"), "b")


class Nodes:
    """Requests as the fleet takes them; `b` answers what it is told to."""

    def __init__(self, answer: Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, wire.Change]] = []

    async def request(self, node, ask, answer, *, deadline_s=10.0, bulk=False):
        self.asked.append((node, ask))
        if node == "b" and self.answer:
            raise self.answer
        return (
            wire.LeaseTaken(token=7, ttl_s=30.0, generation=4)
            if isinstance(ask, wire.TakeLease)
            else wire.LeaseReleased()
        )


async def test_every_node_is_held_and_given_back():
    nodes = Nodes()
    async with held(nodes, ("a", "b"), "apply chat.yaml") as tokens:
        assert tokens == {"a": 7, "b": 7}
    takes = [ask for _, ask in nodes.asked if isinstance(ask, wire.TakeLease)]
    assert {(one.purpose, one.force) for one in takes} == {("apply chat.yaml", False)}
    assert len({one.key for _, one in nodes.asked}) == 4
    assert [(node, ask.token) for node, ask in nodes.asked if isinstance(ask, wire.ReleaseLease)] == [
        ("a", 7), ("b", 7),
    ]  # fmt: skip


async def test_a_failure_gives_back_as_well():
    nodes = Nodes()
    with pytest.raises(ValueError, match="within"):
        async with held(nodes, ("a",), "x"):
            raise ValueError("within")
    assert isinstance(nodes.asked[-1][1], wire.ReleaseLease)


@pytest.mark.parametrize(("answer", "unreachable"), [(LEASED, False), (GONE, True)])
async def test_one_that_is_not_given_means_none(answer, unreachable):
    nodes = Nodes(answer)
    with pytest.raises(NotHeld) as failed:
        async with held(nodes, ("a", "b"), "x"):
            pytest.fail("not held")
    (refused,) = failed.value.refused
    assert (refused.node, refused.reason, refused.unreachable) == ("b", answer.reason, unreachable)
    assert [node for node, ask in nodes.asked if isinstance(ask, wire.ReleaseLease)] == ["a"]


async def test_where_one_moved_on_none_is_changed():
    nodes = Nodes()
    with pytest.raises(NotHeld) as failed:
        async with held(nodes, ("a", "b"), "x", expected={"a": 4, "b": 3}):
            pytest.fail("not held")
    (refused,) = failed.value.refused
    assert (refused.node, refused.reason and refused.reason.code) == ("b", "stale")
    assert [node for node, ask in nodes.asked if isinstance(ask, wire.ReleaseLease)] == ["a", "b"]
