"""The one door to NVML: the only file that imports pynvml (nvidia-ml-py 13.590 and later).

pynvml has no types, so whoever makes a call declares it with its own, beside its use:

    power_mw: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetPowerUsage")

Any call may raise NvmlError. Its `value` is one of NVML's codes; compare that, never the error itself, which cannot
be compared with anything else. A call lets other threads run, and may take for ever where the driver does.
"""

import ctypes
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NewType, TypeVar

import pynvml

Handle = NewType("Handle", object)
"""A GPU, or a MIG device. Those of MIG devices die with them, and come back for others."""

NvmlError = pynvml.NVMLError

T = TypeVar("T")

MIB = 1024 * 1024

# nvml.h, return codes.
INVALID_ARGUMENT = 2
NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, NO_DRIVER, TIMEOUT, NO_LIBRARY, FUNCTION_NOT_FOUND = 3, 4, 6, 9, 10, 12, 13
GPU_IS_LOST, RESET_REQUIRED, MISMATCH, IN_USE, NO_DATA, NO_RESOURCES, OLD_VERSION = 15, 16, 18, 19, 21, 23, 25
UNKNOWN = 999

GONE = frozenset({GPU_IS_LOST, RESET_REQUIRED})
LOST = GONE | {UNKNOWN}
"""What a call that every GPU knows answers on one that is gone; of other calls, UNKNOWN says nothing of the GPU."""

OLD_DRIVER = frozenset({FUNCTION_NOT_FOUND, OLD_VERSION})
NOT_OFFERED = frozenset({INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND, FUNCTION_NOT_FOUND})
"""How a driver answers for a number of a list that has holes, or for what it does not know."""
NOTHING_THERE = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, NOT_FOUND, NO_DATA})

_ABSENT = {
    NOT_SUPPORTED: "this GPU does not report it",
    NO_PERMISSION: "needs more rights",
    FUNCTION_NOT_FOUND: "the driver is too old for it",
    OLD_VERSION: "the driver is too old for it",
}
_SENTENCES = {
    NO_DRIVER: "the NVIDIA driver is not loaded on this machine",
    NO_LIBRARY: "no NVIDIA driver on this machine (libnvidia-ml.so.1 not found)",
    MISMATCH: "the NVIDIA library and the loaded driver differ in version: reload the driver or reboot",
}


def call(name: str) -> Any:
    """pynvml's function of that name; who asks for it says its type."""
    return getattr(pynvml, name)


struct = call
"""A struct or a constant of pynvml, likewise."""


@contextmanager
def opened() -> Iterator[None]:
    """NVML for as long as it is needed; a process that needs it to its end calls `init`."""
    init()
    try:
        yield
    finally:
        maybe(_shutdown)


def fill(handle: Handle, block: "ctypes.Array[ctypes.Structure]") -> int:
    """Have the driver fill in field values; its code. Called so often that what pynvml does around it would count."""
    try:
        code: int = pynvml.nvmlLib.nvmlDeviceGetFieldValues(handle, len(block), block)
    except AttributeError:
        return FUNCTION_NOT_FOUND
    return code


def absence(code: int) -> str:
    """Why something is not told, in a sentence that follows its name."""
    return _ABSENT.get(code) or str(NvmlError(code))


def refusal(error: Exception) -> str:
    """Why there is no NVML at all."""
    return _SENTENCES.get(getattr(error, "value", 0), f"NVML: {error}")


def maybe(ask: Callable[[], T], *, but: Collection[int] = ()) -> T | None:
    """The answer, None where the driver has none. Raises NvmlError with a code of `but`."""
    try:
        return ask()
    except NvmlError as error:
        if error.value in but:
            raise
        return None


def known(ask: Callable[[], T], *, absent: Collection[int] = NOT_OFFERED) -> T | None:
    """None where the driver or the GPU does not know it. Raises NvmlError for every other refusal."""
    try:
        return ask()
    except NvmlError as error:
        if error.value in absent:
            return None
        raise


init: Callable[[], None] = call("nvmlInit")
_shutdown: Callable[[], None] = call("nvmlShutdown")
count: Callable[[], int] = call("nvmlDeviceGetCount")
by_index: Callable[[int], Handle] = call("nvmlDeviceGetHandleByIndex")
by_uuid: Callable[[str], Handle] = call("nvmlDeviceGetHandleByUUID")
uuid: Callable[[Handle], str] = call("nvmlDeviceGetUUID")
name: Callable[[Handle], str] = call("nvmlDeviceGetName")
