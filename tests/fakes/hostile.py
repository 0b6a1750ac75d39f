"""An agent whose every text is an attack on the terminal. It speaks the real protocol over stdio, as a bridge does.

python -m tests.fakes.hostile attach

The frames are made from the types themselves, so a field that is added tomorrow is hostile tomorrow.
"""

import os
import select
import time
from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec import inspect
from msgspec.structs import replace

from agents import wire
from agents.framing import FrameReader, encode, preamble
from engines.base import Histogram
from profiles.desired.model import Desired, DesiredInstance
from profiles.observed.status import (
    EngineReading,
    Event,
    GpuProcess,
    GpuReading,
    InstanceStatus,
    NodeStatus,
    Phase,
    Role,
)

MARK = "7777"
"""Stands in the parameters or the body of every sequence, so that one of ours is told from one of the console's."""
LINK = "[link=file:///etc/7777]click[/link]"
ATTACKS = (
    "\x1b]52;c;7777\x07", "\x1b]52;c;7777\x1b\\", "\x1b]0;7777\x07", "\x1b]8;;file:///7777\x1b\\x\x1b]8;;\x1b\\",
    "\x1b[7777J\x1b[7777H", "\x1b[38;5;7777m", "\x1b[?7777h", "\x1b[7777;1\x00m", "\x1b(7777", "\x1bc",
    "\x9b7777J", "\x9d52;c;7777\x9c", "\x90q7777\x9c", "\x1bPq7777\x1b\\", "\x1b_7777\x1b\\", "\x1b^7777\x1b\\",
    "\x1bX7777\x1b\\", "\x1b]7777 without an end", "\x1b[7777", "\x1b", "\x1b\x1b[7777H", "\x07\x08\x0b\x0e\x7f",
    "a\r\nb\rc", "a\u2028b\u2029c\x85d", "\u202e7777\u202c", "\u2066x\u2069\u200b\ufeff\U000e0041", "\ud7ff\ufffe",
    LINK, "[@click=app.quit]7777[/]", "[bold red", "[/nonsense]", "[[[", "{}%s$(reboot)",
)  # fmt: skip
PLAIN = "plain/0"
"""The one instance that a person can name on a command line; its log is hostile."""

_T = TypeVar("_T")


def hostile(kind: type[_T], text: str) -> _T:
    """A value of `kind` with `text` wherever there is text, and something wherever there may be something."""
    return msgspec.convert(_fill(inspect.type_info(kind), text), kind)


def _fill(kind: inspect.Type, text: str) -> object:
    match kind:
        case inspect.StrType():
            return text
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 1
        case inspect.FloatType():
            return 0.5
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.StructType():
            return _fill_struct(kind, text)
        case inspect.VarTupleType() | inspect.ListType():
            return [_fill(kind.item_type, text)]
        case inspect.DictType():
            return {text: _fill(kind.value_type, text)}
        case inspect.UnionType():
            return _fill(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), text)
        case inspect.AnyType():
            return text
        case _:
            raise TypeError(f"no hostile {kind}: add a case")


def _fill_struct(kind: inspect.StructType, text: str) -> object:
    if kind.cls is Histogram:
        return [[0.1, 1.0], [1.0, 9.0, 9.0], 2.0]
    if kind.array_like:
        return [_fill(field.type, text) for field in kind.fields]
    filled = {field.encode_name: _fill(field.type, text) for field in kind.fields}
    return filled | ({kind.tag_field: kind.tag} if kind.tag_field else {})


def _instances() -> Iterable[InstanceStatus]:
    phases = list(Phase)
    for at, attack in enumerate(ATTACKS):
        status = hostile(InstanceStatus, attack)
        reading = hostile(EngineReading, attack)
        if at % 2:
            reading = replace(reading, absent=dict.fromkeys(("ttft", "itl", "e2e", "queue", "waiting"), attack))
        yield replace(status, name=f"{at}{attack}/0", phase=phases[at % len(phases)], reading=reading)
    yield replace(hostile(InstanceStatus, ATTACKS[0]), name=PLAIN, phase=Phase.READY)


def _gpus() -> Iterable[GpuReading]:
    for at, attack in enumerate(ATTACKS):
        process = replace(hostile(GpuProcess, attack), instance=attack if at % 2 else None)
        reading = replace(hostile(GpuReading, attack), throttle=(attack,) if at % 3 else ())
        yield replace(reading, uuid=f"{at}{attack}", index=at, processes=(process,))


def snapshot() -> wire.Snapshot:
    instances = tuple(_instances())
    status = hostile(NodeStatus, " ".join(ATTACKS))
    status = replace(status, instances=instances, gpus=tuple(_gpus()), at_unix_s=time.time())
    owned = {one.name: hostile(DesiredInstance, one.name) for one in instances}
    owned = {name: replace(one, spec=replace(one.spec, name=name)) for name, one in owned.items()}
    return wire.Snapshot(status=status, desired=Desired(generation=1, instances=owned))


def events() -> wire.Happened:
    return wire.Happened(events=tuple(
        replace(hostile(Event, attack), seq=1 + at, at_unix_s=time.time(), instance=PLAIN if at % 2 else attack)
        for at, attack in enumerate(ATTACKS)
    ))  # fmt: skip


def answer(request: wire.Request) -> wire.Reply | wire.Failure:
    """A log for who asks for one; a refusal, as hostile, for everything else."""
    asked = request.body
    if isinstance(asked, wire.ReadLog) and asked.instance == PLAIN:
        offset = asked.offset or 0
        text = "" if offset else "\n".join(ATTACKS) + "\n"
        piece = wire.LogPiece(text=text, offset=offset, next_offset=offset + len(text), incarnation=1)
        return wire.Reply(id=request.id, body=piece)
    words = " ".join(ATTACKS)
    return wire.Failure(id=request.id, code="invalid", message=f"no {words}", hint=words)


def main() -> None:
    """Until stdin ends. Before the preamble it is a login shell that has been tampered with."""
    noise = "\n".join(ATTACKS).encode("utf-8", "replace")
    os.write(2, noise)
    os.write(1, noise + b"\n" + preamble("hostile"))
    reader, greeted, telemetry = FrameReader(), False, False
    while True:
        if not select.select([0], [], [], 0.5)[0]:
            if telemetry:
                os.write(1, encode(wire.Delta(at_unix_s=time.time())))
            continue
        data = os.read(0, 65536)
        if not data:
            return
        for frame in reader.frames(data):
            match frame:
                case wire.Hello() if not greeted:
                    greeted, telemetry = True, frame.telemetry
                    hello = replace(hostile(wire.Hello, ATTACKS[0]), role=Role.OPERATOR, socket="")
                    _say(replace(hello, protocol_min=wire.PROTOCOL_OLDEST, protocol_max=wire.PROTOCOL))
                    if telemetry:
                        _say(snapshot(), events())
                case wire.Ping():
                    _say(wire.Pong(number=frame.number))
                case wire.Request():
                    _say(answer(frame))


def _say(*frames: wire.AnyFrame) -> None:
    data = b"".join(encode(frame) for frame in frames)
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
