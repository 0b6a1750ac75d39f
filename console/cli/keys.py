"""`gpuyard keys`: every binding, its keys as this operator has them, where they work, and what is in the way."""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from console.cli.output import CommandFailed, Exit, Format, print_json, say
from console.cli.table import print_table
from console.keys import keymap
from console.keys.catalogue import screens
from console.render.table import Cell, Column
from profiles.observed.status import Reason
from profiles.text.document import FileError

COLUMNS = (
    Column("keys", "Keys", 6, priority=1),
    Column("id", "Id", 12, priority=1),
    Column("text", "Does", 20, priority=2, grow=True),
    Column("screens", "On", 10, priority=3),
)
EVERYWHERE = "every screen"


class Listed(NamedTuple):
    id: str
    keys: tuple[str, ...]
    screens: tuple[str, ...]
    """`EVERYWHERE` alone for what the app binds."""
    text: str


def run(options: argparse.Namespace) -> int:
    try:
        mine = keymap.load(keymap.usual())
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_keys", str(error), error.hint)) from None
    rows = list(listed(mine))
    match Format(options.output):
        case Format.JSON:
            print_json("keys", [one._asdict() for one in rows])
        case Format.NAME:
            print("\n".join(one.id for one in rows))
        case _:
            cells = [[Cell(" ".join(one.keys)), Cell(one.id), Cell(one.text), Cell(", ".join(one.screens))]
                     for one in rows]  # fmt: skip
            print_table(COLUMNS, cells, wide=options.output == Format.WIDE)
    found = keymap.conflicts(mine)
    for conflict in found:
        say(conflict.text)
    return Exit.FAILED if found else Exit.DONE


def listed(mine: keymap.Keymap) -> Iterator[Listed]:
    """By id, in the order of the ids."""
    shown = [keymap.remapped(screen, mine) for screen in screens()]
    bindings = [(screen.name, one) for screen in shown for one in screen.bindings]
    full = {screen.name for screen in shown if any(one.id == "help" for one in screen.bindings)}
    for name in sorted({one.id for _, one in bindings}):
        mine_here = [(screen, one) for screen, one in bindings if one.id == name]
        keys = tuple(dict.fromkeys(keymap.shown(one.key) for _, one in mine_here))
        where = {screen for screen, _ in mine_here}
        yield Listed(name, keys, (EVERYWHERE,) if full <= where else tuple(sorted(where)), mine_here[0][1].text)
