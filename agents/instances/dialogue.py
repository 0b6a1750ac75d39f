"""Asks one living engine, in its adapter's words: does it serve, what is in flight, how far is its load."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec

from agents.instances import probe, scrape
from agents.instances.keys import Key
from agents.instances.logtail import LogTail
from agents.instances.preparation import Described
from agents.instances.probe import Answer
from agents.processes.process import Process
from engines.abilities import Liveness, Lives, Measures, SignalStep, Stops
from engines.base import EngineSample, LoadProgress, Probe, Progress
from engines.control import Call, Control, control_of
from engines.measured import Said, more_of, said

T = TypeVar("T")
MAX_TOLD_CHARS = 300
"""Of what an engine answers to a call that it refuses."""


class NotDone(msgspec.Struct, frozen=True):
    """`answered` is whether the engine said so itself; else nobody knows what it did."""

    text: str
    answered: bool


class Dialogue:
    """With one incarnation. An exit ends the question in hand: whoever asked learns of it at once."""

    def __init__(self, described: Described, port: int, process: Process, log: Path, key: Key) -> None:
        self.described = described
        self.port = port
        self.key = key
        self._process = process
        self._log = LogTail(log)
        self._said: Said | None = None

    @property
    def probe(self) -> Probe:
        return self.described.engine.ready(self.described.launch)

    @property
    def liveness(self) -> Liveness:
        engine = self.described.engine
        return engine.liveness(self.described.launch) if isinstance(engine, Lives) else Liveness()

    @property
    def control(self) -> Control:
        return control_of(self.described.engine, self.described.launch.options)

    async def call(self, call: Call) -> NotDone | None:
        """None once it is done."""
        answer = await self._unless_it_exits(_posted(self.port, call, self.key.value()))
        if answer is None:
            return NotDone("it ended", answered=False)
        if isinstance(answer, probe.ProbeFailed):
            return NotDone(f"POST {call.path}: {answer}", answered=False)
        if call.done_by(answer.status, answer.body):
            return None
        told = " ".join(answer.body.decode(errors="replace").split())[:MAX_TOLD_CHARS]
        return NotDone(f"POST {call.path} is answered with {answer.status}: {told}", answered=True)

    async def asleep(self) -> bool | None:
        """None where it does not tell."""
        told = self.control.asleep
        answer = await self._ask(told.path) if told else None
        return told.read(answer.body) if told and answer and answer.status == 200 else None

    def stop_steps(self, grace_s: float) -> tuple[SignalStep, ...]:
        """The adapter's, else one SIGTERM that is waited for `grace_s`."""
        engine = self.described.engine
        return engine.stop(self.described.launch) if isinstance(engine, Stops) else (SignalStep("SIGTERM", grace_s),)

    async def answers(self) -> bool:
        """Does it serve?"""
        answer = await self._ask(self.probe.ready_path)
        return answer is not None and answer.status == 200

    async def sample(self) -> EngineSample | None:
        """What it says of itself now; None without an answer."""
        return await scrape.read(self.described.engine, self.probe, self._ask)

    def progress(self) -> LoadProgress | None:
        """The newest step in the log since the last call, None without one."""
        engine, lines = self.described.engine, self._log.lines()
        if isinstance(engine, Measures):
            for line in lines:
                self._said = more_of(self._said, said(line, self.described.launch, engine.memory_words))
        if not isinstance(engine, Progress):
            return None
        steps = [engine.progress(line) for line in lines]
        return next((step for step in reversed(steps) if step), None)

    def said(self) -> Said | None:
        """What it has said of its memory while it loaded."""
        self.progress()
        return self._said

    async def _ask(self, path: str) -> Answer | None:
        return await self._unless_it_exits(_answer(self.port, path, self.probe.timeout_s, self.key.value()))

    async def _unless_it_exits(self, asking: Coroutine[None, None, T]) -> T | None:
        asked = asyncio.create_task(asking)
        exited = asyncio.create_task(self._process.exited.wait())
        try:
            await asyncio.wait((asked, exited), return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            asked.cancel()
            exited.cancel()


async def _answer(port: int, path: str, timeout_s: float, key: str) -> Answer | None:
    try:
        return await probe.get(port, path, timeout_s, key=key)
    except probe.ProbeFailed:
        return None


async def _posted(port: int, call: Call, key: str) -> Answer | probe.ProbeFailed:
    try:
        return await probe.post(port, call.path, call.body, call.timeout_s, key=key)
    except probe.ProbeFailed as failed:
        return failed
