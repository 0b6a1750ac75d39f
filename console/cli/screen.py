"""The console itself, and the version."""

import argparse
from importlib.metadata import version as version_of

from console.cli.output import CommandFailed, Exit
from console.cli.session import inventory_of, inventory_path
from console.contexts import Opened
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    """Open the console; it is a terminal's, so without one it is refused."""
    import sys

    if options.version:
        return version(options)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = "use a verb: `gpuyard status`, or see `gpuyard --help`"
        raise CommandFailed(Exit.USAGE, Reason("no_terminal", "the console needs a terminal", hint))
    inventory = inventory_of(options)
    from console.app import run as open_console

    return open_console(Opened(inventory, inventory_path(options), options.entered), read_only=options.read_only)


def version(options: argparse.Namespace) -> int:
    print(f"gpuyard {version_of('gpuyard')}")
    return Exit.DONE
