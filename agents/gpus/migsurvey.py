"""A look at MIG on one GPU: what it offers, what it has, who is on it. For a process of its own, like the reader.

Nothing is changed here (agents.gpus.partitioning does that), but listing instances takes the same right: root, or the
capability `mig/config`. Calls and their codes as in nvml.h of CUDA 13.5.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import msgspec

from agents.gpus import fields, gpu_instances, mig_devices, nvml
from agents.gpus.fields import Fields
from agents.gpus.gpu_instances import Instance, Profile
from agents.gpus.processes import Processes
from agents.gpus.survey import GpuInstance, Holder, Refused, Survey
from agents.gpus.tenants import COMPUTE
from engines.devices import MigSlot
from profiles.observed.mig import MigOffer

_HIDDEN = nvml.NOT_OFFERED | {nvml.NO_PERMISSION}
"""All processes of a GPU in MIG mode are for privileged eyes; those of each device are not."""

_index: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetIndex")


class DriverRefused(Exception):
    """`code` is NVML's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@contextmanager
def opened(uuid: str) -> Iterator[nvml.Handle]:
    """The GPU's handle, with NVML initialised for as long. Raises DriverRefused, for all that the body asks too."""
    try:
        with nvml.opened():
            yield nvml.by_uuid(uuid)
    except nvml.NvmlError as error:
        raise DriverRefused(error.value, str(error)) from None


def look(uuid: str) -> Survey:
    """Everything about MIG on the GPU `uuid`. Raises DriverRefused."""
    with opened(uuid) as gpu:
        index = _index(gpu)
        holders = tuple(_holders(gpu))
        mode = nvml.known(partial(mig_devices.read_mode, gpu))
        if mode is None:
            return Survey(index=index, holders=holders)
        current, pending = bool(mode[0]), bool(mode[1])
        resetless = _resetless(gpu)
        if not current:
            return Survey(index=index, mode=False, pending=pending, resetless=resetless, holders=holders)
        offers = tuple(_offers(gpu))
        instances = tuple(one for offer in offers for one in _instances(gpu, offer))
        return Survey(
            index=index, mode=True, pending=pending, resetless=resetless, offers=offers, instances=instances,
            holders=holders,
        )  # fmt: skip


def _offers(gpu: nvml.Handle) -> Iterator[MigOffer]:
    for number in range(gpu_instances.PROFILES):
        info = nvml.known(partial(_profile, gpu, number))
        if info is None:
            continue
        places = gpu_instances.placements(gpu, info.id)
        if places:
            yield MigOffer(
                profile=_name(info), id=info.id, slices=info.sliceCount, size=places[0].size,
                starts=tuple(sorted(place.start for place in places)), at_most=info.instanceCount,
                memory_mib=info.memorySizeMB,
            )  # fmt: skip


def _profile(gpu: nvml.Handle, number: int) -> Profile:
    """Drivers before 470 know the first version alone, which has no name."""
    try:
        return gpu_instances.profile(gpu, number, version=2)
    except nvml.NvmlError as error:
        if error.value not in nvml.OLD_DRIVER:
            raise
        return gpu_instances.profile(gpu, number, version=1)


def _name(info: Profile) -> str:
    """`1g.10gb`. Where the driver does not say it, it is put together as nvidia-smi does it."""
    told = getattr(info, "name", b"")
    text = told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)
    return text.removeprefix("MIG ").strip() or f"{info.sliceCount}g.{-(-info.memorySizeMB // 1024)}gb"


def _instances(gpu: nvml.Handle, offer: MigOffer) -> Iterator[GpuInstance]:
    for instance in gpu_instances.of_profile(gpu, offer.id):
        info = gpu_instances.info(instance)
        yield GpuInstance(
            gi_id=info.id,
            slot=MigSlot(profile=offer.profile, start=info.placement.start, size=info.placement.size),
            devices=tuple(_devices_of(instance)),
        )


def _devices_of(instance: Instance) -> Iterator[str]:
    for profile in gpu_instances.compute_profiles(instance):
        for compute in gpu_instances.computes(instance, profile.id):
            yield nvml.uuid(gpu_instances.compute_info(compute).device)


def _holders(gpu: nvml.Handle) -> Iterator[Holder]:
    processes = Processes()
    seen: set[int] = set()
    for device, gi_id in _devices(gpu):
        for one in nvml.known(partial(COMPUTE, device), absent=_HIDDEN) or ():
            if one.pid in seen:
                continue
            seen.add(one.pid)
            who = processes.describe(one.pid, None if one.usedGpuMemory is None else one.usedGpuMemory // nvml.MIB)
            yield Holder(pid=one.pid, name=who.name, user=who.user, memory_mib=who.memory_mib, gi_id=gi_id)


def _devices(gpu: nvml.Handle) -> Iterator[tuple[nvml.Handle, int | None]]:
    """Its MIG devices with their GPU instance, then the GPU itself."""
    for index in range(nvml.known(partial(mig_devices.most, gpu)) or 0):
        device = nvml.known(partial(mig_devices.at, gpu, index))
        if device is not None:
            yield device, nvml.known(partial(mig_devices.gi_id_of, device))
    yield gpu, None


def _resetless(gpu: nvml.Handle) -> bool | None:
    """None where the driver does not know the question."""
    told = Fields(gpu, (fields.RESETLESS_MIG,)).read(0.0).get(fields.RESETLESS_MIG)
    return None if told is None else bool(told)


def main(uuid: str) -> int:
    """One line of JSON on stdout."""
    try:
        said: Survey | Refused = look(uuid)
    except DriverRefused as error:
        said = Refused(code=error.code, text=error.text)
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
