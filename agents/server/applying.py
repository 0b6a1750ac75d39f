"""Requests about applies, carried out."""

from agents import wire
from agents.board import Board
from agents.past.applies import Applies


def applying(applies: Applies, board: Board, author: str, ask: wire.ApplyAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError."""
    match ask:
        case wire.BeginApply():
            return wire.ApplyBegun(journal=applies.begin(ask, board.desired.instances, author))
        case wire.NoteApply():
            applies.note(ask, author)
            return wire.ApplyNoted()
        case wire.ReadApplies():
            return wire.Applies(journals=applies.all())
