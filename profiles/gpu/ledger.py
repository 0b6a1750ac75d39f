"""Who holds which slice of a node's GPUs, and whether one more fits. Whole MiB, no I/O.

    take ──► Refusal, and nothing changed          a value: code, sentence, nearest fit
         └─► held until release                    taking anew replaces what was held

A GPU is shared one way at a time, strangers' use counts as they have it, and where a GPU is not well nothing new
is placed (the invariants I2–I5, I10 and I11 of docs/fractions.md).
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from engines.devices import MigSlot, ShareMode, Slice
from profiles.gpu.account import NOBODY, Held, Taken, kept_mib, taken, tenants, without
from profiles.gpu.memory import headroom_mib
from profiles.gpu.slots import holder, overlap
from profiles.observed.gpus import GpuHealth
from profiles.observed.status import GpuClaim, GpuReading, GpuState, Reason

MPS_CLIENTS = 48
"""That one GPU takes (nvidia-cuda-mps-control(1), driver 550)."""


_USELESS = (GpuHealth.LOST, GpuHealth.STALLED, GpuHealth.DRAIN)


class Refusal(msgspec.Struct, frozen=True):
    """Why a slice cannot be had. `code` is one of the reasons of `pending` in docs/phases.md."""

    code: str
    text: str
    hint: str = ""

    def reason(self) -> Reason:
        return Reason(self.code, self.text, self.hint)


class Ledger:
    """Slices by instance, for those that hold some. The readings of the moment come with each question."""

    def __init__(self, held: Held = NOBODY) -> None:
        self.held: dict[str, tuple[Slice, ...]] = dict(held)

    def book(self, instance: str, slices: Iterable[Slice]) -> None:
        """It has them already, whatever else is promised."""
        if booked := tuple(slices):
            self.held[instance] = booked

    def take(
        self, instance: str, slices: Sequence[Slice], gpus: Iterable[GpuReading], ahead: Held = NOBODY
    ) -> Refusal | None:
        """Hold `slices` instead of what it held, all of them or, with a refusal, none.

        Room that those `ahead` of it wait for is theirs, even while something else keeps them from it.
        """
        others = {name: parts for name, parts in self.held.items() if name != instance}
        gpus = [without(gpu, lambda name: name == instance) for gpu in gpus]
        if (found := refusal(slices, gpus, others, ahead)) is None:
            self.release(instance)
            self.book(instance, slices)
        return found

    def release(self, instance: str) -> None:
        self.held.pop(instance, None)


def refusal(slices: Sequence[Slice], gpus: Iterable[GpuReading], held: Held, ahead: Held = NOBODY) -> Refusal | None:
    """Why not all of `slices` can be given beside what is `held`; None where they can."""
    readings = {gpu.uuid: gpu for gpu in gpus}
    if len(slices) > 1 and any(part.mig for part in slices):
        return Refusal("share_mode", "one engine uses one MIG device, not several", "ask for one")
    for part in slices:
        gpu = readings.get(part.gpu_uuid)
        if gpu is None:
            return _missing(part)
        if found := refused_part(part, taken(gpu, held)):
            return _with_nearest(found, part, readings.values(), held)
        first = tenants(gpu, ahead)
        if first and refused_part(part, taken(unused(gpu), {**tenants(gpu, held), **first})):
            text = f"the room on GPU {gpu.index} is for {next(iter(first))}, which comes first"
            return Refusal("waiting_for_room", text, "by priority, then by age")
    return None


def refused_part(part: Slice, here: Taken) -> Refusal | None:
    """As `refusal`, of a part of one GPU alone: other GPUs are not looked at."""
    gpu, there = here.gpu, here.there
    if found := unfit(gpu):
        return found
    if claim := next((claim for claim in gpu.claims if _excludes(claim, part)), None):
        text = f"GPU {gpu.index} is claimed by the agent of {claim.user} for {claim.instance}"
        return Refusal("gpu_claimed", text, f"stop it there, ask {claim.user}, or choose another GPU")
    mode = share_mode(gpu, there)
    if ShareMode.MIG in (mode, part.share_mode):
        return _refused_by_mig(part.mig, gpu, there)
    if there and ShareMode.EXCLUSIVE in (mode, part.share_mode):
        return Refusal(
            "no_room",
            f"GPU {gpu.index} is not free: {_names(there)} {'has' if len(there) == 1 else 'have'} it",
            _instead_of(there),
        )
    if mode not in (None, part.share_mode):
        text = f"GPU {gpu.index} is shared by {mode}, and this asks for {part.share_mode}"
        return Refusal("share_mode", text, f"share it the same way as {_names(there)}, or choose another GPU")
    if part.share_mode is ShareMode.MPS and len(there) >= MPS_CLIENTS:
        return Refusal("no_room", f"GPU {gpu.index} has {MPS_CLIENTS} MPS clients, which is all it takes")
    return _refused_by_memory(part, here)


def out_of_reach(slices: Iterable[Slice], gpus: Iterable[GpuReading]) -> Refusal | None:
    """Why even whoever has `slices` cannot start on them: the GPU is not there to be used."""
    readings = {gpu.uuid: gpu for gpu in gpus}
    for part in slices:
        gpu = readings.get(part.gpu_uuid)
        if gpu is None:
            return _missing(part)
        if gpu.state is not GpuState.OK or gpu.health in _USELESS:
            return unfit(gpu)
    return None


def refused_by_book(slices: Sequence[Slice], gpus: Iterable[GpuReading], held: Held) -> Refusal | None:
    """As `refusal`, were all GPUs well and nobody but instances of ours on them: waiting does not help."""
    wanted = {part.gpu_uuid for part in slices}
    here = list(gpus)
    # What is near is only said of a refusal, and the readings of all the others are not free to make.
    if refusal(slices, [unused(gpu) for gpu in here if gpu.uuid in wanted], held) is None:
        return None
    return refusal(slices, [unused(gpu) for gpu in here], held)


def share_mode(gpu: GpuReading, there: Held) -> ShareMode | None:
    """How it is shared by the tenants that are there; None while there are none."""
    if gpu.mig and gpu.mig.current:
        return ShareMode.MIG
    return next((part.share_mode for parts in there.values() for part in parts), None)


def unfit(gpu: GpuReading) -> Refusal | None:
    """Why nothing new is placed on it, whatever room it has."""
    if gpu.state is not GpuState.OK:
        return Refusal("gpu_unfit", f"GPU {gpu.index} is {gpu.state}", "see why in the events of the node")
    if gpu.health is not GpuHealth.OK:
        why = gpu.health_reason or Reason("", f"GPU {gpu.index} is {gpu.health}")
        return Refusal("gpu_unfit", why.text, why.hint)
    if gpu.mig and gpu.mig.pending != gpu.mig.current:
        text = f"MIG is about to be turned {'on' if gpu.mig.pending else 'off'} on GPU {gpu.index}"
        return Refusal("gpu_unfit", text, "it waits for a reset of the GPU")
    return None


def _missing(part: Slice) -> Refusal:
    text = f"this node reports no GPU {part.gpu_index} ({part.gpu_uuid})"
    return Refusal("gpu_missing", text, "see `gpuyard gpus`")


def _excludes(claim: GpuClaim, part: Slice) -> bool:
    """Whether a claim leaves no room at all for `part`."""
    if claim.mig is not None:
        return part.mig is not None and overlap(claim.mig, part.mig)
    return claim.memory_mib is None or part.whole


def _refused_by_memory(part: Slice, here: Taken) -> Refusal | None:
    gpu, found = here.gpu, here.account
    if part.whole:
        if found.taken_mib <= headroom_mib(gpu.memory_total_mib or 0):
            return None
        text = f"needs all of GPU {gpu.index}, of which {found.taken_mib:,} MiB are in use"
        return Refusal("no_room", text, _strangers(gpu) or "see `gpuyard processes`")
    if found.allocatable_mib is None or found.free_mib is None:
        return Refusal("gpu_unfit", f"how much memory GPU {gpu.index} has is not known", "choose another GPU")
    need_mib = kept_mib(part, found.allocatable_mib)
    if need_mib > found.allocatable_mib:
        text = f"needs {need_mib:,} MiB of GPU {gpu.index}, which has {found.allocatable_mib:,} at most"
        return Refusal("too_big", text, "ask for less, or for a larger GPU")
    if need_mib > found.free_mib:
        text = f"needs {need_mib:,} MiB of GPU {gpu.index}, which has {found.free_mib:,} to give"
        return Refusal("no_room", text, _strangers(gpu) or _instead_of(here.there))
    return None


def _refused_by_mig(slot: MigSlot | None, gpu: GpuReading, there: Held) -> Refusal | None:
    """Whether the device is there is asked of the driver when an engine starts on it: readings of MIG come late."""
    if slot is None:
        text = f"GPU {gpu.index} is divided by MIG"
        return Refusal("share_mode", text, "ask for one of its parts, as `mig: PROFILE`, or choose another GPU")
    if whole := next((name for name, parts in there.items() if any(part.mig is None for part in parts)), None):
        return Refusal("share_mode", f"{whole} has GPU {gpu.index}, and MIG would divide it", _instead_of(there))
    if name := holder(slot, there):
        text = f"the {slot.profile} at {slot.start} of GPU {gpu.index} is {name}'s"
        return Refusal("no_room", text, f"see `gpuyard fractions plan` for GPU {gpu.index}")
    return None


def _with_nearest(found: Refusal, part: Slice, gpus: Iterable[GpuReading], held: Held) -> Refusal:
    """Says which other GPU would do, or comes nearest, where room is what is missing."""
    if part.mig is not None or found.code not in ("no_room", "too_big", "gpu_claimed"):
        return found
    asked = part if part.whole else replace(part, memory_mib=0, memory_limit_mib=None)
    others = [taken(gpu, held) for gpu in gpus if gpu.uuid != part.gpu_uuid]
    open_to_it = [(one.account.free_mib or 0, -one.gpu.index) for one in others if refused_part(asked, one) is None]
    free_mib, index = max(open_to_it, default=(0, 0))
    if not free_mib:
        return found
    return replace(found, text=f"{found.text}; best is GPU {-index} with {free_mib:,}")


def unused(gpu: GpuReading) -> GpuReading:
    """As it would be, well and with nothing on it."""
    mig = replace(gpu.mig, pending=gpu.mig.current) if gpu.mig else None
    return replace(gpu, mig=mig, processes=(), claims=(), memory_used_mib=None, state=GpuState.OK, health=GpuHealth.OK)


def _names(there: Iterable[str]) -> str:
    """`a/0, b/0 and c/0`."""
    *some, last = sorted(there)
    return f"{', '.join(some)} and {last}" if some else last


def _instead_of(there: Held) -> str:
    return f"stop {_names(there)}, or choose another GPU" if there else "choose another GPU"


def _strangers(gpu: GpuReading) -> str:
    """Who else is there, so that somebody can be asked."""
    said = [f"{process.name or 'a process'} ({process.user or 'unknown'}, pid {process.pid})"
            for process in gpu.processes if process.instance is None]  # fmt: skip
    said += [f"{claim.instance} of {claim.user}'s agent" for claim in gpu.claims]
    return f"also there: {', '.join(said)}" if said else ""
