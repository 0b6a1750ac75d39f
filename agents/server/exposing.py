"""The page of metrics over HTTP on loopback, where the node's agent.toml asks for it.

    agent.toml `metrics` ──every LOOK_S──► opened, moved or closed      GET /metrics ◄── Prometheus

No login: every account of this machine reads it, so it says what a viewer is told and nothing more.
"""

import asyncio
import os
from collections.abc import Callable

from agents.board import Board
from profiles.observed.status import Reason
from profiles.watching.metrics import node_page
from profiles.watching.scraped import AT_ONCE, HEAD_LIMIT_S, HEAD_MAX_BYTES, answer

LOOK_S = 2.0
CODE = "metrics"


class Exposing:
    """`wanted` says HOST:PORT, "" for nowhere; a place that is taken is a trouble of the node until it is free."""

    def __init__(self, board: Board, wanted: Callable[[], str]) -> None:
        self._board = board
        self._wanted = wanted
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._server: asyncio.Server | None = None
        self._place = ""
        self._page = (0, "")

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._close()

    async def _look(self) -> None:
        wanted, trouble = self._wanted(), None
        if wanted != self._place:
            self._close()
            trouble = await self._open(wanted) if wanted else None
        self._board.set_trouble(CODE, trouble)

    async def _open(self, place: str) -> Reason | None:
        """Why it cannot be served there; it is tried again."""
        host, _, port = place.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._serve, host, int(port), limit=HEAD_MAX_BYTES)
        except OSError as error:
            text = f"metrics cannot be served at {place}: {os.strerror(error.errno) if error.errno else error}"
            return Reason(CODE, text, "give `metrics` in agent.toml another port, or stop what listens there")
        self._place = place
        return None

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server, self._place = None, ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_LIMIT_S), self._turns:
                writer.write(answer(await reader.readuntil(b"\r\n\r\n"), self.page))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks for nothing gets nothing
        finally:
            writer.close()

    def page(self) -> str:
        """Made once for each change of the board, however often it is asked for."""
        number = self._board.number
        if self._page[0] != number:
            self._page = (number, node_page(self._board.status(), self._board.desired))
        return self._page[1]
