"""`profile list`, `profile show`: what stands on the nodes, and the files beside the inventory."""

import argparse
import asyncio
from pathlib import Path

import msgspec

from console import profile_files
from console.cli.output import CommandFailed, Exit, Format, print_json, say
from console.cli.session import inventory_of, inventory_path, reached
from console.cli.table import print_table
from console.recorded_text import recorded_text
from console.remote.errors import RequestFailed
from console.render.profiles import PROFILE_COLUMNS, profile_cells, profile_view
from console.render.table import Cell, Column, Tone
from profiles.observed.status import Reason

FILE_COLUMN = Column("file", "File", 12, priority=2)


def listed(options: argparse.Namespace) -> int:
    return asyncio.run(_list(options))


def show(options: argparse.Namespace) -> int:
    return asyncio.run(_show(options))


async def _list(options: argparse.Namespace) -> int:
    inventory = inventory_path(options)
    files = {name: str(profile_files.find(name, inventory)) for name in profile_files.names(inventory)}
    async with reached(inventory_of(options)) as found:
        views = [profile_view(found.store, name) for name in sorted({*found.store.profiles(), *files})]
        output = Format(options.output)
        if output is Format.JSON:
            print_json("profiles", [{**msgspec.to_builtins(one), "file": files.get(one.name)} for one in views])
        elif output is Format.NAME:
            print("\n".join(one.name for one in views))
        else:
            rows = [[*profile_cells(one), Cell(files.get(one.name, ""), tone=Tone.DIM)] for one in views]
            print_table([*PROFILE_COLUMNS, FILE_COLUMN], rows, wide=output is Format.WIDE)
        return found.say_lost()


async def _show(options: argparse.Namespace) -> int:
    name: str = options.name
    async with reached(inventory_of(options)) as found:
        try:
            revision, text = await recorded_text(found.fleet, found.store, name)
        except RequestFailed as failed:
            raise CommandFailed(Exit.FAILED, failed.reason) from None
        path = profile_files.find(name, inventory_path(options))
        if text and revision is not None:
            say(f"r{revision.number} of {name}, by {revision.author or 'nobody'}, as it is on record")
        elif path is not None:
            say(f"{path}: not applied, or without its text")
            text = _read(path)
        else:
            hint = f"on nodes: {', '.join(found.store.profiles()) or 'none'}; `gpuyard profile save {name}` writes one"
            reason = Reason("not_found", f"no text of {name} is on record, and there is no file of it", hint)
            raise CommandFailed(max(Exit.FAILED, found.say_lost()), reason)
        if Format(options.output) is Format.JSON:
            print_json("profile", [{"name": name, "revision": revision and revision.number, "text": text}])
        else:
            print(text, end="" if text.endswith("\n") else "\n")
        return Exit.DONE


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeError) as error:
        raise CommandFailed(
            Exit.USAGE, Reason("not_read", f"{path} cannot be read: {error}", "see its rights")
        ) from None
