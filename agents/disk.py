"""What the disk refused is tried again until it takes it; meanwhile every console sees why changes are refused."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from agents.board import Board
from agents.state import write_atomic
from profiles.observed.status import Reason

RETRY_S = 2.0
LOW_BYTES = 16 * 1024 * 1024
CODE = "disk"


class Held(Protocol):
    """Something that keeps in memory what the disk refused."""

    def flush(self) -> None:
        """Write it now. Raises OSError."""
        ...


class Disk:
    """The state directory; a probe file says whether it can be written when nothing else wants to."""

    def __init__(self, directory: Path, board: Board, held: Sequence[Held]) -> None:
        self._directory = directory
        self._board = board
        self._held = held

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(RETRY_S)

    def look(self) -> None:
        """Write what was held, and show what is wrong, or that nothing is."""
        try:
            for one in self._held:
                one.flush()
            if self._free_bytes() < LOW_BYTES or self._board.trouble(CODE):
                write_atomic(self._directory / "probe", b"can this disk be written?\n")
        except OSError as error:
            self._board.set_trouble(CODE, trouble(self._directory, error))
        else:
            self._board.set_trouble(CODE, None)

    def _free_bytes(self) -> int:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize if not found.f_flag & os.ST_RDONLY else 0


def trouble(directory: Path, error: OSError) -> Reason:
    """In a person's words: what was refused, what still works."""
    text = f"the state directory {directory} cannot be written ({error.strerror or error}): changes are refused"
    return Reason(CODE, text, "free space or mend the disk there; telemetry and stop go on working")
