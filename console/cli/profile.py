"""`profile validate`, `profile schema`: of files alone; no node is asked."""

import argparse
import sys
from pathlib import Path

import msgspec

from console.cli.output import CommandFailed, Exit, say, say_reason
from console.render.text import plural
from profiles.desired.model import Profile
from profiles.files.jsonschema import profile_schema
from profiles.files.load import load_profile
from profiles.observed.status import Reason
from profiles.text.document import FileError


def validate(options: argparse.Namespace) -> int:
    """All files are read, and each one that is wrong is named."""
    wrong: list[FileError] = []
    for path in options.files:
        try:
            profile = load_profile(Path(path))
        except FileError as error:
            wrong.append(error)
        else:
            say(f"{path}: {profile.profile}, {plural(len(profile.services), 'service')}, as far as a file can tell")
    if wrong:
        *others, last = wrong
        for other in others:
            say_reason(Reason("invalid_file", str(other), other.hint))
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(last), last.hint))
    return Exit.DONE


def loaded(path: Path) -> Profile:
    """Raises CommandFailed."""
    try:
        return load_profile(path)
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(error), error.hint)) from None


def schema(options: argparse.Namespace) -> int:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(profile_schema()), indent=2).decode() + "\n")
    return Exit.DONE
