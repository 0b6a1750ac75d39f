"""The service that a running instance could have come from, where no file says what it did come from. Pure.

What a slice no longer tells, as which nodes it was for, is left open.
"""

from collections.abc import Mapping
from typing import Literal

from engines.devices import Enforcer
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import InstanceSpec, PlaceRequest, Service
from profiles.gpu.gputypes import type_of

_ENFORCE: Mapping[Enforcer, Literal["engine_flag", "mps", "none"]] = {
    Enforcer.ENGINE_FLAG: "engine_flag",
    Enforcer.MPS: "mps",
    Enforcer.NONE: "none",
}


ANYWHERE = PlaceRequest()


def service_like(spec: InstanceSpec, boards: Mapping[str, str], place: PlaceRequest = ANYWHERE) -> Service:
    """`boards` are names of GPUs by UUID. Only what matters for its place and its start is in it."""
    return Service(
        model=spec.model, engine=spec.engine, gpus=request_like(spec, boards), options=spec.options, place=place
    )


def request_like(spec: InstanceSpec, boards: Mapping[str, str]) -> GpuRequest | None:
    """As much of as many GPUs of the same type."""
    if not spec.slices:
        return None
    part = spec.slices[0]
    board = boards.get(part.gpu_uuid)
    kind = type_of(board) if board else None
    if part.mig is not None:
        return GpuRequest(type=kind, mig=part.mig.profile)
    if part.whole:
        return GpuRequest(count=len(spec.slices), type=kind)
    return GpuRequest(
        count=len(spec.slices) if len(spec.slices) > 1 else None,
        type=kind,
        limit=None if part.memory_limit_mib is None else f"{part.memory_limit_mib}MiB",
        compute=None if part.compute_percent is None else f"{part.compute_percent}%",
        enforce=_ENFORCE.get(part.memory_enforcer),
        portion=part.portion,
        memory=f"{part.memory_mib}MiB" if part.portion is None else None,
    )
