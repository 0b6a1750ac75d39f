"""Bars of the wave in hand on a terminal, drawn over four times a second; nothing elsewhere."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from console.operations import Operations
from console.render.fit import printable
from console.render.rollout import course_lines
from console.rollout.course import Course
from console.rollout.lastline import last_line
from console.rollout.told import Told

DRAW_EVERY_S = 0.25


class Bars:
    """A context; what was drawn last stays."""

    def __init__(self, clock: Callable[[], float], operations: Operations) -> None:
        self.live = sys.stderr.isatty()
        self._operations = operations
        self._course = Course(clock)
        self._drawn = 0
        self._line = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Bars":
        if self.live:
            self._tasks = [asyncio.create_task(self._draw_on()), asyncio.create_task(self._read_on())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self.live:
            self._draw()

    def take(self, told: Told) -> None:
        self._course.take(told)

    async def _draw_on(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(DRAW_EVERY_S)

    async def _read_on(self) -> None:
        while True:
            step = self._course.in_hand()
            self._line = await last_line(self._operations, step) if step else ""
            await asyncio.sleep(1.0)

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        lines = ["".join(text for text, _ in line) for line in course_lines(self._course, self._line)]
        lines = lines[-max(1, size.lines - 1) :]
        erase = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        sys.stderr.write(erase + "".join(printable(line)[: size.columns - 1] + "\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)
