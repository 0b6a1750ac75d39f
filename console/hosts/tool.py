"""Other programs on the console's side, such as pip: run to their end or to a limit, with what they said."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple


class Ended(NamedTuple):
    """`said` is stdout and stderr together; a program that was ended at the limit says that."""

    ok: bool
    said: str


async def run(argv: Sequence[str], limit_s: float) -> Ended:
    """Nothing of it is left when this returns or is cancelled. Raises OSError."""
    program = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(limit_s):
            said = (await program.communicate())[0].decode("utf-8", "replace").strip()
    except TimeoutError:
        said = f"no end within {limit_s:g} s"
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    return Ended(program.returncode == 0, said)
