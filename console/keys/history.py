"""What was typed after `:`, kept between runs for its owner alone. A history that cannot be kept is no fault."""

import os
from contextlib import suppress
from pathlib import Path

from console.directories import state_directory
from profiles.text.clean import clean

KEPT = 200
MAX_BYTES = 64 * 1024


def usual() -> Path:
    return state_directory() / "commands"


class History:
    """Oldest first; a line that is typed again moves to the end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[str]:
        with suppress(OSError):
            text = self._path.read_bytes()[-MAX_BYTES:].decode(errors="replace")
            return [line for line in clean(text).split("\n") if line][-KEPT:]
        return []

    def add(self, line: str) -> None:
        kept = [*(one for one in self.lines() if one != line), line][-KEPT:]
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write("\n".join(kept) + "\n")
            new.replace(self._path)
