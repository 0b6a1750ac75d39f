"""Requests about applies, carried out."""

from agents import wire
from agents.board import Board
from agents.errors import Refused
from agents.past.applies import Applies
from profiles.model import Desired


def applying(applies: Applies, board: Board, author: str, ask: wire.ApplyAsk) -> wire.AnyAnswer:
    """Raises Refused, OSError."""
    match ask:
        case wire.BeginApply(expected_generation=expected):
            if expected not in (None, board.desired.generation):
                raise _stale(expected, board.desired)
            return wire.ApplyBegun(journal=applies.begin(ask, board.desired.instances, author))
        case wire.NoteApply():
            applies.note(ask, author)
            return wire.ApplyNoted()
        case wire.ReadApplies():
            return wire.Applies(journals=applies.all())


def _stale(expected: int | None, current: Desired) -> Refused:
    text = f"the node is at generation {current.generation}, not {expected}: {current.author or 'nobody'} edited it"
    return Refused("stale", f"{text} ({current.reason or 'no reason given'})", "plan again")
