"""Changes over real sockets: done once, by whoever holds the node, and on record."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import framing, wire
from agents.access.audit import chain
from agents.access.audit.record import Kind, Record, unseal
from profiles.observed.status import Role
from tests.agents.test_server import Console, Running, directory, serving, set_desired  # noqa: F401


@pytest.fixture
async def node(directory: Path) -> AsyncIterator[Running]:  # noqa: F811
    async with serving(directory, clients_a_person=64) as running:
        yield running


def records(node: Running) -> list[Record]:
    found = chain.files(node.path.parent / "audit")
    return [unseal(line)[0] for path in found for line in path.read_bytes().splitlines(keepends=True)]


def change(generation: int, *, key: str = "", token: int | None = None) -> wire.SetDesired:
    return wire.SetDesired(expected_generation=generation, instances={}, author="", reason="r", key=key, token=token)


async def ask(console: Console, body: wire.AnyAsk) -> wire.AnyAnswer | wire.Failure:
    console.send(wire.Request(id=1, body=body))
    frame = await console.expect(wire.Reply | wire.Failure)  # type: ignore[arg-type]
    return frame.body if isinstance(frame, wire.Reply) else frame


async def test_a_change_is_on_record_before_and_after(node: Running) -> None:
    console = await node.operator(author="ann", telemetry=False)
    await ask(console, change(0, key="9f"))
    await ask(console, change(0, key="a0"))
    intent, outcome, again, stale = records(node)
    assert (intent.kind, intent.verb, intent.author, intent.role, intent.way) == (
        Kind.INTENT, "setdesired", "ann", "admin", "socket",
    )  # fmt: skip
    assert (outcome.kind, outcome.act, outcome.result, outcome.text) == (
        Kind.OUTCOME, intent.act, "done", "generation 1",
    )  # fmt: skip
    assert (stale.act, stale.result) == (again.act, "stale")
    assert not chain.walk(node.path.parent / "audit").problem


async def test_what_is_denied_is_on_record(node: Running) -> None:
    console = await node.connect()
    await console.greet("viewer", telemetry=False)
    assert isinstance(await ask(console, change(0)), wire.Failure)
    (denied,) = records(node)
    assert (denied.kind, denied.role, denied.result) == (Kind.DENIED, "viewer", "denied")
    assert node.board.desired.generation == 0


async def test_a_lost_reply_is_asked_for_again_and_nothing_is_done_twice(node: Running) -> None:
    """100 times: the connection goes between request and reply, before, within or after the work."""
    for number in range(100):
        console = await node.operator(telemetry=False)
        console.send(wire.Request(id=1, body=change(number, key=f"k{number}")))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        console.writer.transport.abort()
        other = await node.operator(telemetry=False)
        assert await ask(other, change(number, key=f"k{number}")) == wire.DesiredSet(generation=number + 1)
        other.writer.transport.abort()
    assert node.board.desired.generation == 100
    assert [one.kind for one in records(node)].count(Kind.INTENT) == 100


async def test_of_two_who_race_one_wins_each_of_100_times(node: Running) -> None:
    consoles = [await node.operator(author=name, telemetry=False) for name in ("ann", "bob")]
    for number in range(100):
        found = await asyncio.gather(*(ask(console, change(number)) for console in consoles))
        assert sorted(type(one).__name__ for one in found) == ["DesiredSet", "Failure"]
    assert node.board.desired.generation == 100


async def test_of_two_who_want_the_lease_one_has_it_each_of_100_times(node: Running) -> None:
    consoles = [await node.operator(author=name, telemetry=False) for name in ("ann", "bob")]
    tokens: list[int] = []
    for number in range(100):
        found = await asyncio.gather(*(ask(console, wire.TakeLease(purpose="apply")) for console in consoles))
        (taken,) = [one for one in found if isinstance(one, wire.LeaseTaken)]
        (refused,) = [one for one in found if isinstance(one, wire.Failure)]
        assert refused.code == "leased"
        loser = consoles[found.index(refused)]
        assert getattr(await ask(loser, change(number)), "code", "") == "leased"
        if tokens:
            assert getattr(await ask(loser, change(number, token=tokens[-1])), "code", "") == "fenced"
        winner = consoles[found.index(taken)]
        assert await ask(winner, change(number, token=taken.token)) == wire.DesiredSet(generation=number + 1)
        assert await ask(winner, wire.ReleaseLease(token=taken.token)) == wire.LeaseReleased()
        tokens.append(taken.token)
    assert tokens == sorted(set(tokens))


async def test_taking_over_needs_an_admin(node: Running) -> None:
    ann, bob = await node.operator(author="ann", telemetry=False), await node.connect()
    assert isinstance(await ask(ann, wire.TakeLease(purpose="apply")), wire.LeaseTaken)
    await bob.greet("operator", telemetry=False)
    refused = await ask(bob, wire.TakeLease(purpose="mine", force=True))
    assert isinstance(refused, wire.Failure)
    assert refused.code == "denied"
    admin = await node.operator(author="eve", telemetry=False)
    assert isinstance(await ask(admin, wire.TakeLease(purpose="mine", force=True)), wire.LeaseTaken)
    assert node.events.after(0, 10)[-1].code == "lease_forced"


async def test_without_a_record_nothing_changes_and_reading_goes_on(node: Running) -> None:
    audit = node.path.parent / "audit"
    audit.rmdir()
    audit.touch()
    console = await node.connect()
    await console.greet("operator", telemetry=False)
    refused = await ask(console, change(0))
    assert isinstance(refused, wire.Failure)
    assert (refused.code, node.board.desired.generation) == ("unavailable", 0)
    assert "audit" in refused.message
    assert isinstance(await ask(console, wire.ReadRevisions()), wire.Revisions)
    admin = await node.operator(telemetry=False)
    assert await ask(admin, change(0)) == wire.DesiredSet(generation=1)  # it asks for nothing but less
    audit.unlink()
    audit.mkdir()
    assert await ask(console, change(1)) == wire.DesiredSet(generation=2)
    assert [one.result for one in records(node) if one.kind is Kind.OUTCOME] == ["done", "done"]


async def test_changes_that_come_too_fast_are_told_when_to_come_again(directory: Path) -> None:  # noqa: F811
    async with serving(directory, changes_burst=3, changes_per_s=5) as node:
        consoles = [await node.operator(telemetry=False) for _ in range(2)]
        answers = [await ask(consoles[number % 2], change(number)) for number in range(4)]
        busy = answers[-1]
        assert isinstance(busy, wire.Failure)
        assert (busy.code, node.board.desired.generation) == ("busy", 3)
        await asyncio.sleep(busy.retry_after_s or 0)
        assert await ask(consoles[0], change(3)) == wire.DesiredSet(generation=4)


async def test_the_audit_is_checked_over_the_wire(node: Running) -> None:
    console = await node.operator(telemetry=False)
    await ask(console, change(0))
    verified = await ask(console, wire.VerifyAudit())
    assert isinstance(verified, wire.AuditVerified)
    assert (verified.records, verified.problem) == (2, "")
    again = await node.connect()
    hello = await again.greet(telemetry=False)
    assert (hello.audit_seq, hello.audit_hash) == (2, verified.last_hash)
    assert await ask(again, wire.ReadAnchor(seq=2)) == wire.Anchor(seq=2, hash=hello.audit_hash)
    assert await ask(again, wire.ReadAnchor(seq=9)) == wire.Anchor(seq=9)
    forged = await ask(console, wire.VerifyAudit(known_seq=2, known_hash="0" * 64))
    assert isinstance(forged, wire.AuditVerified)
    assert "rewritten" in forged.problem


async def test_every_request_has_a_role(node: Running) -> None:
    from typing import get_args

    from agents.server.verbs import NEEDED

    assert set(NEEDED) == set(get_args(wire.AnyAsk))
    changes = {kind for kind in NEEDED if issubclass(kind, wire.Change)} - {wire.NoteShell, wire.NoteBudget}
    assert all(NEEDED[kind].rank >= Role.OPERATOR.rank for kind in changes)
    assert framing.encode(wire.Request(id=1, body=set_desired(0)))
