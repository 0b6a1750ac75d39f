"""What the child that makes an environment is told and what it says."""

import msgspec


class Job(msgspec.Struct, frozen=True):
    """`wheels` "" is the index that the installer of this node knows."""

    directory: str
    requirement: str
    wheels: str = ""


class Said(msgspec.Struct, frozen=True):
    """A line of its log, or a new step."""

    line: str = ""
    step: str = ""
