"""The row of a host that may be taken into the inventory."""

from console.hosts.adding import Candidate, Choice
from console.render.nodes import label_words
from console.render.table import Cell, Column, Tone
from console.render.text import UNKNOWN

CANDIDATE_COLUMNS = (
    Column("node", "Node", 8, priority=1, names=True),
    Column("choice", "Choice", 8, priority=1),
    Column("address", "Address", 10, priority=2),
    Column("site", "Site", 4, priority=4),
    Column("owner", "Owner", 5, priority=5),
    Column("labels", "Labels", 6, priority=3),
    Column("why", "Why", 10, priority=1, grow=True),
)
_TONES = {Choice.ADD: Tone.GOOD, Choice.HERE: Tone.DIM, Choice.LEFT_OUT: Tone.WARN}


def candidate_cells(one: Candidate, met: str) -> tuple[Cell, ...]:
    """`met` is what a first look at it found."""
    node = one.node
    if node is None:
        rest = (Cell(UNKNOWN), Cell(""), Cell(""), Cell(""))
    else:
        user, port = f"{node.user}@" if node.user else "", f" port {node.port}" if node.port else ""
        address = "this machine" if node.local else f"{user}{node.address}{port}"
        rest = (Cell(address), Cell(node.site), Cell(node.owner), Cell(label_words(node.labels)))
    return (Cell(one.name, one.name), Cell(one.choice, tone=_TONES[one.choice]), *rest, Cell(one.why or met))
