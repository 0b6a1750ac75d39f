"""What can go wrong while a host is brought in.

Errors:
    HostError                  `reason` says what happened and what to do next
    ├── CannotGather           what a host needs cannot be had on this side
    └── StepFailed             a host did not do its part
"""

from profiles.observed.status import Reason


class HostError(Exception):
    """`str()` is one line: what happened — what to do next."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason.text} — {self.reason.hint}" if self.reason.hint else self.reason.text


class CannotGather(HostError):
    """No index, no pip, no wheel that fits, or no freezer."""


class StepFailed(HostError):
    """The host was left as it was."""
