"""A log read to its end, followed, over lost links and new runs."""

from collections.abc import AsyncIterator

import pytest

from agents.wire import LogPiece, ReadLog
from console import logs
from console.logs import Interrupted
from console.remote.errors import NodeUnreachable, RequestFailed
from profiles.observed.status import Reason

TAIL = LogPiece(text="one\n", offset=10, next_offset=14, incarnation=1)
QUIET = LogPiece(text="", offset=14, next_offset=14, incarnation=1)
MORE = LogPiece(text="two\n", offset=14, next_offset=18, incarnation=1)
LOST = NodeUnreachable(Reason("lost", "the agent closed the link"), "a")
OVER = RequestFailed(Reason("not_found", "no log"), "a")


class Node:
    """Answers in turn."""

    def __init__(self, *answers: LogPiece | Exception) -> None:
        self.answers = list(answers)
        self.offsets: list[int | None] = []

    async def ask(self, body: ReadLog) -> LogPiece:
        self.offsets.append(body.offset)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def read_to_the_error(read: AsyncIterator[LogPiece | Interrupted], kind: type[Exception]) -> list[object]:
    seen: list[object] = []

    async def take() -> None:
        async for piece in read:
            seen.append(piece)

    with pytest.raises(kind):
        await take()
    return seen


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "RETRY_EVERY_S", 0.0)


async def test_without_follow_it_ends_with_the_log() -> None:
    assert [piece async for piece in logs.tail(Node(TAIL).ask, "chat/0", 65536, previous=False)] == [TAIL]
    node = Node(TAIL, MORE, QUIET)
    assert [piece async for piece in logs.tail(node.ask, "chat/0", 4, previous=False)] == [TAIL, MORE]
    assert node.offsets == [None, 14, 18]


async def test_what_is_added_follows_and_a_new_run_too() -> None:
    anew = LogPiece(text="again\n", offset=0, next_offset=6, incarnation=2)
    node = Node(TAIL, QUIET, MORE, anew, OVER)
    follow = logs.follow(node.ask, "chat/0", 65536, previous=False)
    assert await read_to_the_error(follow, RequestFailed) == [TAIL, MORE, anew]
    assert node.offsets == [None, 14, 14, 18, 6]


async def test_an_answer_that_does_not_come_is_no_end() -> None:
    late = RequestFailed(Reason("timeout", "no answer within 20 s"), "here")
    node = Node(TAIL, late, QUIET, MORE, OVER)
    waits: list[float] = []

    async def ask(body: ReadLog) -> LogPiece:
        waits.append(body.wait_s)
        return await node.ask(body)

    follow = logs.follow(ask, "chat/0", 65536, previous=False)
    assert await read_to_the_error(follow, RequestFailed) == [TAIL, Interrupted(late.reason), QUIET, MORE]
    assert waits == [0, logs.FOLLOW_WAIT_S, 0, logs.FOLLOW_WAIT_S, logs.FOLLOW_WAIT_S], (
        "asked at once whether it is back"
    )


async def test_a_lost_link_is_told_once_and_reading_goes_on_where_it_stopped() -> None:
    node = Node(TAIL, LOST, LOST, QUIET, MORE, OVER)
    follow = logs.follow(node.ask, "chat/0", 65536, previous=False)
    assert await read_to_the_error(follow, RequestFailed) == [TAIL, Interrupted(LOST.reason), QUIET, MORE]
    assert node.offsets == [None, 14, 14, 14, 14, 18]


async def test_a_run_that_began_meanwhile_is_read_from_its_start() -> None:
    middle = LogPiece(text="middle\n", offset=14, next_offset=21, incarnation=2)
    # Its beginning was freed already: the offset is not 0 again.
    whole = LogPiece(text="first\nmiddle\n", offset=8, next_offset=21, incarnation=2, skipped_bytes=8)
    node = Node(TAIL, LOST, middle, whole, OVER)
    follow = logs.follow(node.ask, "chat/0", 65536, previous=False)
    assert await read_to_the_error(follow, RequestFailed) == [TAIL, Interrupted(LOST.reason), whole]
    assert node.offsets == [None, 14, 14, 0, 21]


async def test_a_link_that_stays_lost_is_given_up_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "RECONNECT_LIMIT_S", 0.0)
    follow = logs.follow(Node(TAIL, LOST).ask, "chat/0", 65536, previous=False)
    assert [await anext(follow), await anext(follow)] == [TAIL, Interrupted(LOST.reason)]
    with pytest.raises(NodeUnreachable) as gone:
        await anext(follow)
    assert "the agent closed the link" in gone.value.reason.text
    assert gone.value.reason.hint == "see that gpuyard-agent runs there"


async def test_a_node_that_was_never_reached_is_not_waited_for() -> None:
    assert await read_to_the_error(logs.follow(Node(LOST).ask, "x", 1, previous=False), NodeUnreachable) == []
