"""`--ctx`, and `gpuyard ctx`: the clusters that this user has names for."""

import argparse

from console import contexts
from console.cli.output import CommandFailed, Exit, Format, print_json
from console.cli.table import print_table
from console.render.table import Cell, Column
from profiles.observed.status import Reason
from profiles.text.document import FileError

COLUMNS = (
    Column("context", "Context", 8, priority=1),
    Column("inventory", "Inventory", 20, priority=1, grow=True),
    Column("theme", "Theme", 6, priority=3),
    Column("changes", "Changes", 9, priority=2),
)


def enter(options: argparse.Namespace) -> None:
    """Its inventory, as if that had been given, and what else is of it. Raises CommandFailed."""
    if options.inventory is not None:
        hint = "a context has an inventory: leave one of them out"
        raise CommandFailed(Exit.USAGE, Reason("usage", "--ctx and --inventory are both given", hint))
    try:
        found = contexts.find(options.ctx, contexts.usual())
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_context", str(error), error.hint)) from None
    options.inventory, options.entered = str(found.inventory), found


def run(options: argparse.Namespace) -> int:
    try:
        known = contexts.load(contexts.usual())
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_context", str(error), error.hint)) from None
    match Format(options.output):
        case Format.JSON:
            print_json("contexts", [{"name": name, "inventory": str(one.inventory), "theme": one.theme,
                                     "read_only": one.read_only} for name, one in known.items()])  # fmt: skip
        case Format.NAME:
            for name in known:
                print(name)
        case output:
            rows = [[Cell(one.name), Cell(str(one.inventory)), Cell(one.theme),
                     Cell("read-only" if one.read_only else "by role")] for one in known.values()]  # fmt: skip
            print_table(COLUMNS, rows, wide=output is Format.WIDE)
    return Exit.DONE
