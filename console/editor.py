"""The user's own editor on a file; the terminal is its, and afterwards as it was."""

import os
import shlex
from pathlib import Path

from console import shell


async def edit(path: Path) -> shell.Ended:
    """By $VISUAL, else $EDITOR, else vi. To be called while the console has let go of the terminal."""
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    return await shell.run([*words, str(path)])
