"""What the NVIDIA driver says of itself and of its GPUs, read once by the doctor's child and never by the reader."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import pynvml

T = TypeVar("T")

MISMATCH = 18
"""NVML_ERROR_LIB_RM_VERSION_MISMATCH of nvml.h."""

NO_DRIVER, NO_LIBRARY = 9, 12


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
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return DriverFacts(library=_library(), refused=error.value, why=str(error))
    gpus: list[GpuFacts] = []
    closed: dict[int, str] = {}
    for index in range(_ask(pynvml.nvmlDeviceGetCount) or 0):
        try:
            gpus.append(_gpu(index))
        except pynvml.NVMLError as error:
            closed[index] = str(error)
    cuda = _ask(pynvml.nvmlSystemGetCudaDriverVersion)
    return DriverFacts(
        library=_library(),
        driver=_ask(pynvml.nvmlSystemGetDriverVersion) or "",
        cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",
        gpus=tuple(gpus),
        closed=closed,
    )


def _gpu(index: int) -> GpuFacts:
    """Raises NVMLError for one that cannot be opened."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    mig = _ask(lambda: pynvml.nvmlDeviceGetMigMode(handle))
    persistence = _ask(lambda: pynvml.nvmlDeviceGetPersistenceMode(handle))
    bus = _ask(lambda: str(pynvml.nvmlDeviceGetPciInfo(handle).busId))
    return GpuFacts(
        index=index,
        name=pynvml.nvmlDeviceGetName(handle),
        bus=bus[-12:].lower() if bus else "",  # NVML writes eight digits of the domain, sysfs four
        persistence=None if persistence is None else bool(persistence),
        compute_mode=_ask(lambda: int(pynvml.nvmlDeviceGetComputeMode(handle))),
        mig=bool(mig[0]) if mig else None,
        mig_pending=bool(mig[1]) if mig else None,
    )


def _library() -> str:
    """Its version without the first number, which is that of NVML itself: `13.580.95.05` belongs to 580.95.05."""
    return (_ask(pynvml.nvmlSystemGetNVMLVersion) or "").partition(".")[2]


def _ask(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except pynvml.NVMLError:
        return None
