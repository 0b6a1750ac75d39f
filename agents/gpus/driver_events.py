"""What the driver tells of its own accord: XIDs, and changes that make us look again. Nothing is waited for.

Past events are not told again. When a GPU is lost the driver ends the wait for all of them, and goes on doing so:
a new set is made of those that are left, and of all again a minute later.
"""

import ctypes
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from agents.gpus import nvml
from agents.gpus.source import DriverXid

# nvml.h, event types.
_XID, _MIG_CHANGE, _RECOVERY_CHANGE = 0x8, 0x100, 0x8000
_WANTED = _XID | _MIG_CHANGE | _RECOVERY_CHANGE

MOST_AT_ONCE = 64
"""Told at one look; the rest waits in the driver for the next."""
_AGAIN_LOOKS = 60


class _Event(Protocol):
    device: object
    eventType: int
    eventData: int


_new_set: Callable[[], object] = nvml.call("nvmlEventSetCreate")
_free_set: Callable[[object], None] = nvml.call("nvmlEventSetFree")
_supported: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetSupportedEventTypes")
_register: Callable[[nvml.Handle, int, object], None] = nvml.call("nvmlDeviceRegisterEvents")
_wait: Callable[[object, int], _Event] = nvml.call("nvmlEventSetWait_v2")


class DriverEvents:
    """Of the GPUs in `handles`, by UUID. A driver without events tells none."""

    def __init__(self, handles: Mapping[str, nvml.Handle], wall: Callable[[], float] = time.time) -> None:
        self._handles = handles
        self._wall = wall
        self._names = {_address(handle): uuid for uuid, handle in handles.items()}
        self._set: object | None = None
        self._missing = False
        self._looks = 0
        self._listen()

    def look(self) -> tuple[list[DriverXid], set[str]]:
        """XIDs since the last look, and the GPUs whose instances or recovery action changed."""
        self._looks += 1
        if self._missing and self._looks % _AGAIN_LOOKS == 0:
            self._listen()
        xids: list[DriverXid] = []
        changed: set[str] = set()
        for _ in range(MOST_AT_ONCE):
            event = self._next()
            if event is None:
                break
            uuid = self._names.get(_address(event.device), "")
            if event.eventType == _XID:
                xids.append(DriverXid(uuid, event.eventData, self._wall()))
            else:
                changed.add(uuid)
        return xids, changed

    def _next(self) -> _Event | None:
        if self._set is None:
            return None
        try:
            return _wait(self._set, 0)
        except nvml.NvmlError as error:
            if error.value != nvml.TIMEOUT:
                self._listen()
            return None

    def _listen(self) -> None:
        """To every GPU that still answers."""
        if self._set is not None:
            nvml.maybe(lambda: _free_set(self._set))
        self._set = nvml.maybe(_new_set)
        self._missing = self._set is None
        for handle in self._handles.values() if self._set is not None else ():
            try:
                types = _supported(handle) & _WANTED
                if types:
                    _register(handle, types, self._set)
            except nvml.NvmlError:
                self._missing = True


def _address(handle: object) -> int | None:
    """Handles are pointers, each time in another object."""
    return ctypes.cast(handle, ctypes.c_void_p).value  # type: ignore[arg-type]  # pynvml's own pointer types
