"""What a GPU answers to a round of questions, and why it does not answer some."""

from collections.abc import Callable, Collection
from typing import TypeVar

from agents.gpus import nvml

T = TypeVar("T")


class Answers:
    """`absent` has a reason for each figure that is not told; `lost` is whether the GPU is gone."""

    def __init__(self) -> None:
        self.absent: dict[str, str] = {}
        self.lost = False

    def ask(self, figure: str, call: Callable[[], T], lost_by: Collection[int] = nvml.GONE) -> T | None:
        """The answer, or None with the reason in `absent`. One of `lost_by` is of a GPU that is gone."""
        try:
            return call()
        except nvml.NvmlError as error:
            self.lost = self.lost or error.value in lost_by
            self.absent[figure] = nvml.absence(error.value)
            return None

    def missing(self, figure: str, value: T | None, code: int | None) -> T | None:
        """`value`; where there is none and the driver gave a code for that, the reason is kept."""
        if value is None and code is not None:
            self.absent[figure] = nvml.absence(code)
        return value
