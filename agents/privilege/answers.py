"""What comes of a call: it was done, it failed as root too, or nobody here has the right to it."""

import msgspec

from profiles.observed.status import Reason


class Done(msgspec.Struct, frozen=True, tag="done"):
    """What was asked is so."""


class Switched(msgspec.Struct, frozen=True, kw_only=True, tag="switched"):
    """The mode is set; `held_up` is NVML's code where it only becomes so later: 16 by a reset, 19 in use."""

    held_up: int = 0


class Created(msgspec.Struct, frozen=True, kw_only=True, tag="created"):
    """A MIG device; its uuid is another at every creation."""

    gi_id: int
    ci_id: int
    uuid: str


class Looked(msgspec.Struct, frozen=True, kw_only=True, tag="looked"):
    """What was found: a Survey (agents.gpus.survey), as it is."""

    survey: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """`nvml` is the driver's code, where it was the driver who refused: 19 in use, 23 no room or slot taken."""

    text: str
    nvml: int | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True, tag="missing"):
    """Nothing was done. `right` continues "it needs …"; `command` is for an admin, to be run on the host as it is."""

    right: str
    command: str
    lasting: str = ""
    """What gives the agent this right for good, as a command or a page; "" where nothing does."""

    @property
    def reason(self) -> Reason:
        hint = f"an admin can do it: `{self.command}`"
        return Reason(
            "no_right", f"it needs {self.right}", f"{hint}; for good: {self.lasting}" if self.lasting else hint
        )


Answer = Done | Switched | Created | Looked
Outcome = Answer | Failed | Missing
