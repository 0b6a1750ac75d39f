"""What became of one host: the row of the table at the end."""

from dataclasses import dataclass, field
from enum import StrEnum

from console.hosts.choice import Choice
from console.hosts.host import Seen
from profiles.observed.status import Reason


class Outcome(StrEnum):
    DONE = "done"
    UNCHANGED = "nothing to do"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass
class Result:
    """Filled in step by step; `step` is the one that it came to."""

    node: str
    outcome: Outcome = Outcome.FAILED
    step: str = "connect"
    way: str = ""
    python: str = ""
    service: str = ""
    tier: str = ""
    after_boot: str = ""
    seconds: float = 0.0
    why: Reason | None = None
    notes: list[str] = field(default_factory=list)

    def chosen(self, choice: Choice) -> None:
        self.python = choice.python.text if choice.python else "bundle"
        self.service, self.after_boot = choice.service, choice.after_boot
        self.notes = list(choice.notes)

    def seen(self, agent: Seen) -> None:
        self.way, self.tier = agent.way, agent.tier or ""

    def failed(self, why: Reason, *, unreachable: bool) -> None:
        self.outcome = Outcome.UNREACHABLE if unreachable else Outcome.FAILED
        self.why = why
        if self.step == "place":
            self.step = why.code
