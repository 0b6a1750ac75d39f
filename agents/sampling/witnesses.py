"""XIDs from two witnesses, each counted once: the driver's events and the kernel's log. Pure; time comes in.

Both tell most XIDs, at nearly the same moment and in any order; some only the kernel tells. What one told is held
for a while against what the other tells.
"""

from collections import deque
from enum import StrEnum

SAME_S = 10.0


class Witness(StrEnum):
    DRIVER = "driver"
    KERNEL = "kernel"


class Witnesses:
    """Of all GPUs of a node."""

    def __init__(self) -> None:
        self._alone: dict[tuple[str, int], deque[tuple[float, Witness]]] = {}

    def is_new(self, uuid: str, number: int, at_unix_s: float, witness: Witness) -> bool:
        """Whether nobody else has told of this one yet."""
        told = self._alone.setdefault((uuid, number), deque(maxlen=64))
        while told and at_unix_s - told[0][0] > SAME_S:
            told.popleft()
        for one in told:
            if one[1] is not witness and abs(at_unix_s - one[0]) <= SAME_S:
                told.remove(one)
                return False
        told.append((at_unix_s, witness))
        return True
