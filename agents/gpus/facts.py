"""What the NVIDIA driver says of itself and of its GPUs, read once by the doctor's child and never by the reader."""

from collections.abc import Callable
from functools import partial

import msgspec

from agents.gpus import cards, mig_devices, nvml

_driver: Callable[[], str] = nvml.call("nvmlSystemGetDriverVersion")
_cuda: Callable[[], int] = nvml.call("nvmlSystemGetCudaDriverVersion")
_version: Callable[[], str] = nvml.call("nvmlSystemGetNVMLVersion")


class GpuFacts(msgspec.Struct, frozen=True, kw_only=True):
    """None is what this GPU or driver does not tell. `bus` is as sysfs writes it: `0000:1b:00.0`."""

    index: int
    name: str
    bus: str = ""
    persistence: bool | None = None
    compute_mode: int | None = None
    mig: bool | None = None
    mig_pending: bool | None = None


class DriverFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`refused` is NVML's code when it could not be initialised, with its sentence in `why`."""

    library: str = ""
    """As nvidia-smi writes it, `580.95.05`; "" where there is no library."""
    driver: str = ""
    cuda: str = ""
    refused: int | None = None
    why: str = ""
    gpus: tuple[GpuFacts, ...] = ()
    closed: dict[int, str] = {}
    """GPUs that cannot be opened, and why."""


def read() -> DriverFacts:
    """May hang where the driver does."""
    try:
        nvml.init()
    except nvml.NvmlError as error:
        return DriverFacts(library=_library(), refused=error.value, why=str(error))
    gpus: list[GpuFacts] = []
    closed: dict[int, str] = {}
    for index in range(nvml.maybe(nvml.count) or 0):
        try:
            gpus.append(_gpu(index))
        except nvml.NvmlError as error:
            closed[index] = str(error)
    cuda = nvml.maybe(_cuda)
    return DriverFacts(
        library=_library(),
        driver=nvml.maybe(_driver) or "",
        cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",
        gpus=tuple(gpus),
        closed=closed,
    )


def _gpu(index: int) -> GpuFacts:
    """Raises NvmlError for one that cannot be opened."""
    handle = nvml.by_index(index)
    mig = mig_devices.mode(handle, None)
    persistence = nvml.maybe(partial(cards.persistence, handle))
    return GpuFacts(
        index=index,
        name=nvml.name(handle),
        bus=cards.bus_of(handle),
        persistence=None if persistence is None else bool(persistence),
        compute_mode=nvml.maybe(partial(cards.compute_mode, handle)),
        mig=mig.current if mig else None,
        mig_pending=mig.pending if mig else None,
    )


def _library() -> str:
    """Its version without the first number, which is that of NVML itself: `13.580.95.05` belongs to 580.95.05."""
    return (nvml.maybe(_version) or "").partition(".")[2]
