"""What is asked and answered about acts of a living engine that are no state of its instance."""

from agents.wire.base import Answer, Change
from engines.control import Act


class ControlEngine(Change, frozen=True, kw_only=True):
    """Have a ready engine `act` once. Refused for what is wanted of an instance: sleep and wake are edits."""

    instance: str
    act: Act


class EngineControlled(Answer, frozen=True, kw_only=True):
    """The engine says that it is done."""
