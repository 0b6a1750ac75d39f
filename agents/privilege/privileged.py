"""Whoever does what needs root, as the parts of the agent that need it see it."""

from typing import Protocol

from agents.privilege.answers import Missing, Outcome
from agents.privilege.calls import AnyCall


class Privileged(Protocol):
    """One call at a time on a node; each is on record before it is made."""

    async def do(self, call: AnyCall, author: str) -> Outcome:
        """What came of `call`, which `author` wants. Raises Refused where it cannot be put on record."""
        ...

    def may(self, call: AnyCall) -> Missing | None:
        """The right that `call` would lack, as far as that can be told before it is made."""
        ...
