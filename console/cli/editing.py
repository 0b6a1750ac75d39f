"""The inventory file that a command edits, and what is said where it cannot be."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from console.cli.output import CommandFailed, Exit
from console.cli.session import inventory_path
from console.hosts.edit import Draft
from profiles.observed.status import Reason
from profiles.text.document import FileError


def draft_of(options: argparse.Namespace) -> Draft:
    """Raises FileError."""
    return Draft.open(inventory_path(options))


@contextmanager
def told() -> Iterator[None]:
    """A file that cannot be used, or not be written, ends the command with its place and fix."""
    try:
        yield
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(error), error.hint)) from None
    except OSError as error:
        text = f"{error.filename or 'the file'} cannot be written: {error.strerror or error}"
        raise CommandFailed(Exit.FAILED, Reason("not_written", text, "see its rights and its disk")) from None
