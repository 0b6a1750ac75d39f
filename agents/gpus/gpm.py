"""What the SMs of a device really do, by GPM (Hopper and later): from pairs of samples, a second apart.

    sample at this tick ─┐
    sample at the last  ─┴─► metrics of the time between them        the older one is taken again at the next tick

Utilization says only that some kernel ran; this says how much of the GPU it had. Nothing is waited for: a sample
wants 100 ms to its predecessor, and the tick is a second.
"""

import ctypes
import struct
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Protocol

from agents.gpus import nvml


class Metric(IntEnum):
    """Numbers of nvml.h; per cent of what the device can."""

    SM_ACTIVE = 2
    SM_OCCUPANCY = 3
    TENSOR = 5
    DRAM = 10
    SWITCHING = 174
    """Of the time, spent on changing from one process to another."""


class _Support(Protocol):
    isSupportedDevice: int


_support: Callable[[nvml.Handle], _Support] = nvml.call("nvmlGpmQueryDeviceSupport")
_new_sample: Callable[[], object] = nvml.call("nvmlGpmSampleAlloc")
_free_sample: Callable[[object], None] = nvml.call("nvmlGpmSampleFree")
_take: Callable[[nvml.Handle, object], object] = nvml.call("nvmlGpmSampleGet")
_take_of_part: Callable[[nvml.Handle, int, object], object] = nvml.call("nvmlGpmMigSampleGet")
_answer: Callable[[ctypes.Structure], object] = nvml.call("nvmlGpmMetricsGet")


_ANSWERS_AT: int = nvml.struct("c_nvmlGpmMetricsGet_t").metrics.offset


def _make_question() -> ctypes.Structure:
    question: ctypes.Structure = nvml.struct("c_nvmlGpmMetricsGet_t")()
    question.version = nvml.struct("NVML_GPM_METRICS_GET_VERSION")
    question.numMetrics = len(Metric)
    for answer, metric in zip(question.metrics, Metric, strict=False):
        answer.metricId = metric
    return question


_question = _make_question()
"""Some 20 KB that say the same for each device: made once, asked again and again."""
_ANSWER = struct.Struct("@IIdPPP")
"""nvmlGpmMetric_t: number, code, value, three names; read as a whole, as field values are."""
_answers = memoryview(_question).cast("B")[_ANSWERS_AT : _ANSWERS_AT + len(Metric) * _ANSWER.size]


class Activity:
    """Of a GPU, or with `gi_id` of one of its GPU instances."""

    def __init__(self, handle: nvml.Handle, gi_id: int | None = None) -> None:
        self._handle = handle
        self._gi_id = gi_id
        self._samples: tuple[object, object] | None = None
        self._taken = 0
        self.refused: int | None = None
        """The code with which this device has none of it; asked once."""
        try:
            if not _support(handle).isSupportedDevice:
                self.refused = nvml.NOT_SUPPORTED
        except nvml.NvmlError as error:
            self.refused = error.value

    def read(self) -> dict[int, float]:
        """By metric, since the read before; empty at the first one and where nothing is told."""
        if self.refused is not None:
            return {}
        try:
            self._sample()
            return self._metrics() if self._taken > 1 else {}
        except nvml.NvmlError as error:
            self.close()
            if error.value in (nvml.NOT_SUPPORTED, nvml.NO_PERMISSION, nvml.FUNCTION_NOT_FOUND):
                self.refused = error.value
            return {}

    def close(self) -> None:
        """Its samples are the driver's memory; after an error they are taken anew."""
        for sample in self._samples or ():
            nvml.maybe(partial(_free_sample, sample))
        self._samples, self._taken = None, 0

    def _sample(self) -> None:
        older, newer = self._samples or (_new_sample(), _new_sample())
        self._samples = (newer, older)
        if self._gi_id is None:
            _take(self._handle, older)
        else:
            _take_of_part(self._handle, self._gi_id, older)
        self._taken += 1

    def _metrics(self) -> dict[int, float]:
        assert self._samples is not None
        _question.sample1, _question.sample2 = self._samples
        _answer(_question)
        return {number: value for number, code, value, *_ in _ANSWER.iter_unpack(_answers) if code == 0}
