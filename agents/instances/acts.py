"""What an engine is told once, and is no state of its instance."""

from collections.abc import Callable

from agents.errors import Refused
from agents.events import EventLog
from agents.instances.dialogue import Dialogue
from engines.control import Act
from profiles.observed.status import EventKind

_STATES = frozenset({Act.SLEEP, Act.WAKE})


class Acts:
    """`serving` is the way to an instance that serves, None for any other."""

    def __init__(self, serving: Callable[[str], Dialogue | None], events: EventLog) -> None:
        self._serving = serving
        self._events = events

    async def perform(self, instance: str, act: Act, author: str) -> None:
        """Done once this returns. Raises Refused."""
        if act in _STATES:
            raise Refused("invalid", f"{act} is a state that an instance is wanted in", f"use `gpuyard {act}`")
        dialogue = self._serving(instance)
        if dialogue is None:
            raise Refused("unavailable", f"{instance} does not serve", "see `gpuyard instances`")
        control = dialogue.control
        if (call := control.acts.get(act)) is None:
            raise Refused("invalid", f"{instance} cannot {act}: {control.absent.get(act, '')}")
        if not_done := await dialogue.call(call):
            raise Refused("unavailable", f"{instance}: {not_done.text}", f"see `gpuyard logs {instance}`")
        self._events.append(EventKind.AGENT, f"{act} is done", instance=instance, author=author, code="controlled")
