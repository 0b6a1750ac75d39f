"""Ask and answer about what engines took of GPUs' memory."""

from agents.wire.base import Answer, Ask
from engines.measured import Measurement


class ReadMeasurements(Ask, frozen=True, kw_only=True):
    """All that the node has kept, of engines that are gone too."""


class Measurements(Answer, frozen=True, kw_only=True):
    """One for each kind of load, the newest last."""

    measurements: tuple[Measurement, ...]
