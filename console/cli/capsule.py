"""`gpuyard capsule` and `gpuyard replay`: the last minutes as one file, and the console on it."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from console.capsule import pack
from console.capsule.gather import LONGEST_S, gather
from console.cli.output import CommandFailed, Exit, say
from console.cli.session import hear_events, inventory_of, reached
from profiles.observed.status import Reason
from profiles.text.document import FileError
from profiles.text.units import duration_s

SMALLEST_S = 1.0


def run(options: argparse.Namespace) -> int:
    last_s = duration_s(options.last)
    if last_s is None or not SMALLEST_S <= last_s <= LONGEST_S:
        hint = "write it like 90s, 15m or 2h; a day at most"
        raise CommandFailed(Exit.USAGE, Reason("bad_window", f"--last {options.last} is no such time", hint))
    return asyncio.run(_write(options, last_s))


async def _write(options: argparse.Namespace, last_s: float) -> int:
    path: Path = options.file or Path(pack.usual_name(time.time()))
    async with reached(inventory_of(options)) as found:
        await hear_events(found)
        capsule = await gather(found.fleet, found.store, last_s)
        code = found.say_lost()
    try:
        content = pack.packed(capsule)
        pack.write(path, content)
    except pack.TooLarge:
        text = f"it would be larger than {pack.LIMIT_BYTES // 1024**2} MiB"
        raise CommandFailed(Exit.FAILED, Reason("capsule", text, "take a shorter --last, or one --site")) from None
    except OSError as error:
        why = Reason("capsule", f"{path} cannot be written: {error.strerror}", "give the path of a new file")
        raise CommandFailed(Exit.FAILED, why) from None
    for one in capsule.left_out:
        say(f"left out: {one}")
    print(f"{path}  {len(content):,} bytes, {options.last} of {len(capsule.nodes)} nodes, secrets taken out")
    return code


def replay(options: argparse.Namespace) -> int:
    """Open the console on a capsule."""
    try:
        capsule = pack.load(options.file)
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_capsule", str(error), error.hint)) from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandFailed(Exit.USAGE, Reason("no_terminal", "the console needs a terminal", "open one"))
    from console.capsule.app import run as open_console

    return open_console(capsule, options.file)
