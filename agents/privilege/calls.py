"""All that may be done as root for an agent: a struct a verb, each field of a shape that is checked on both sides.

    SetMigMode(gpu="GPU-…", to=ON)  ◄──►  mig-mode GPU-… on        words of a command line, never of a shell

There is no verb that takes a path, a program or a text.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, get_args

import msgspec

from engines.devices import Timeslice

Gpu = Annotated[str, msgspec.Meta(pattern=r"\AGPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
Small = Annotated[int, msgspec.Meta(ge=0, le=255)]
"""Ids of profiles and instances, slots of memory."""
Pid = Annotated[int, msgspec.Meta(ge=2, le=2**22)]
"""Up to PID_MAX_LIMIT (proc(5)); never 1."""
Ticks = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Switch(StrEnum):
    OFF = "off"
    ON = "on"


class ComputeMode(StrEnum):
    DEFAULT = "default"
    EXCLUSIVE = "exclusive"
    """One process alone, or the MPS server for all of its clients (EXCLUSIVE_PROCESS)."""


class Ending(StrEnum):
    TERM = "term"
    KILL = "kill"


class Call(msgspec.Struct, frozen=True, kw_only=True, tag_field="verb"):
    """Base of what may be asked."""


class SetMigMode(Call, frozen=True, kw_only=True, tag="mig-mode"):
    """Answered by Switched."""

    gpu: Gpu
    to: Switch


class CreateGpuInstance(Call, frozen=True, kw_only=True, tag="create-gpu-instance"):
    """A GPU instance at one place, and the compute instance that fills it; both or none. Answered by Created.

    `profile` is the driver's own id (9 is 3g on an H100), `start` and `size` count slots of memory.
    """

    gpu: Gpu
    profile: Small
    start: Small
    size: Small


class DestroyGpuInstance(Call, frozen=True, kw_only=True, tag="destroy-gpu-instance"):
    """With its compute instances. One that is in use is left without those that were not: ask again."""

    gpu: Gpu
    gi_id: Small


class LookAtMig(Call, frozen=True, kw_only=True, tag="look-at-mig"):
    """Which MIG instances there are and who is on them; nothing is changed. Answered by Looked."""

    gpu: Gpu


class SetTimeslice(Call, frozen=True, kw_only=True, tag="timeslice"):
    """Of processes that share the GPU by turns; gone when the driver is loaded anew."""

    gpu: Gpu
    to: Timeslice


class SetPersistence(Call, frozen=True, kw_only=True, tag="persistence"):
    gpu: Gpu
    to: Switch


class SetComputeMode(Call, frozen=True, kw_only=True, tag="compute-mode"):
    gpu: Gpu
    to: ComputeMode


class ResetGpu(Call, frozen=True, kw_only=True, tag="reset-gpu"):
    """Refused by the driver while anybody uses it, our own reader included."""

    gpu: Gpu


class SignalProcess(Call, frozen=True, kw_only=True, tag="signal"):
    """To a process that holds a GPU and began at `start_ticks`; refused for every other."""

    pid: Pid
    start_ticks: Ticks
    to: Ending


AnyCall = (
    SetMigMode
    | CreateGpuInstance
    | DestroyGpuInstance
    | LookAtMig
    | SetTimeslice
    | SetPersistence
    | SetComputeMode
    | ResetGpu
    | SignalProcess
)
VERBS: dict[str, type[AnyCall]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyCall)}


def words(call: AnyCall) -> list[str]:
    """`["mig-mode", "GPU-…", "on"]`: the verb, then the fields in their order."""
    return [str(call.__struct_config__.tag), *(str(value) for value in msgspec.structs.astuple(call))]


def call_of(given: Sequence[str]) -> AnyCall:
    """The call that these words stand for. Raises ValueError, with a sentence, for anything else."""
    kind = VERBS.get(given[0]) if given else None
    if kind is None:
        raise ValueError(f"there is no such verb; there are {', '.join(VERBS)}")
    names = kind.__struct_fields__
    if len(given) != 1 + len(names):
        raise ValueError(f"{given[0]} takes {len(names)} words: {' '.join(name.upper() for name in names)}")
    try:
        call = msgspec.convert(dict(zip(names, given[1:], strict=True)), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{given[0]}: {error}") from None
    if words(call) != list(given):  # `5e0` is a number too
        raise ValueError(f"{given[0]}: numbers are written in plain digits")
    return call
