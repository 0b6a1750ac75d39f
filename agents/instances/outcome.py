"""What one look at an instance came to. The next look is due when something changes, or after a time."""

import msgspec

from profiles.observed.status import Reason


class Done(msgspec.Struct, frozen=True):
    """It is as it is wanted, or was given up before: nothing to do until something changes."""


class Again(msgspec.Struct, frozen=True):
    """On its way; look again after so long. 0 is at once."""

    after_s: float = 0.0


class Backoff(msgspec.Struct, frozen=True):
    """Failed, and tried again after so long."""

    after_s: float
    reason: Reason


class GivenUp(msgspec.Struct, frozen=True):
    """Failed for good: trying again would not help until somebody edits the instance."""

    reason: Reason


Outcome = Done | Again | Backoff | GivenUp
