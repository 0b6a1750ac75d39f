"""The GPUs of the NVIDIA driver: all of them at one look."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from agents.gpus import cards, nvml
from agents.gpus.device import Device
from agents.gpus.driver_events import DriverEvents
from agents.gpus.processes import Processes
from agents.gpus.source import Frame, NoGpus
from profiles.observed.gpus import GpuCard
from profiles.observed.status import GpuSource, GpuSourceKind

REAL = GpuSource(GpuSourceKind.NVML)
_REOPEN_READS = 60
"""Reads between two tries to open a GPU that could not be opened."""
_FORGET_READS = 60
"""Reads after which processes that were not seen are forgotten; GPUs do not all list theirs at each."""


class Nvidia:
    """Raises NoGpus with a sentence when there is no library, no driver or no GPU."""

    def __init__(self, source: GpuSource = REAL, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            nvml.init()
            count = nvml.count()
        except nvml.NvmlError as error:
            raise NoGpus(nvml.refusal(error)) from None
        self._source = source
        self._clock = clock
        self._processes = Processes()
        self._gpus: dict[int, Device] = {}
        self._closed = dict.fromkeys(range(count), "")
        self._open_closed()
        if not self._gpus:
            raise NoGpus("the NVIDIA driver is loaded, but lists no GPU that can be opened")
        self._cards: tuple[GpuCard, ...] = ()
        self._reads = 0

    def read(self) -> Frame:
        self._reads += 1
        if self._closed and self._reads % _REOPEN_READS == 0:
            self._open_closed()
        source = self._source
        if self._closed:
            closed = (f"GPU {index} cannot be opened ({why})" for index, why in self._closed.items())
            source = replace(source, note=", ".join(filter(None, (source.note, *closed))))
        now_s = self._clock()
        xids, changed = self._events.look()
        for gpu in self._gpus.values():
            if gpu.uuid in changed:
                gpu.look_again()
        gpus = tuple(gpu.read(now_s) for _, gpu in sorted(self._gpus.items()))
        if self._reads % _FORGET_READS == 0:
            self._processes.forget_old()
        return Frame(source, gpus, self._new_cards(), tuple(xids))

    def look_again(self) -> None:
        for gpu in self._gpus.values():
            gpu.look_again()

    def _open_closed(self) -> None:
        """A GPU that cannot even be named has no UUID to keep a row under; it is tried again."""
        before = len(self._gpus)
        for index in tuple(self._closed):
            try:
                self._gpus[index] = Device(index, self._processes)
                del self._closed[index]
            except nvml.NvmlError as error:
                self._closed[index] = str(error)
        if len(self._gpus) > before:
            self._find_peers()
            self._events = DriverEvents({gpu.uuid: gpu.handle for gpu in self._gpus.values()})

    def _find_peers(self) -> None:
        for gpu in self._gpus.values():
            others = {other.uuid: other.handle for other in self._gpus.values() if other is not gpu}
            gpu.card = replace(gpu.card, peers=cards.peers(gpu.handle, others))

    def _new_cards(self) -> tuple[GpuCard, ...] | None:
        """What the GPUs are, where that is not as it was said last."""
        found = tuple(gpu.card for _, gpu in sorted(self._gpus.items()))
        if found == self._cards:
            return None
        self._cards = found
        return found
