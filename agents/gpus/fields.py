"""Many figures of a GPU in one call, which asks only for what this GPU has been seen to serve.

    the first read     everything ──► served ──► asked at each read from now on
                                  └─► refused, each with its code ──► tried again every 10 minutes

Numbers of nvml.h. Each figure has its own return code; those that the driver serves together it reads once.
"""

import ctypes
import struct
from collections.abc import Mapping, Sequence

from agents.gpus import nvml

POWER_AVERAGE, POWER_NOW, POWER_LIMIT, ENERGY = 185, 186, 190, 191
"""mW over the last second (Ampere and later, but not GA100), mW now, mW, mJ since the driver was loaded."""
MEMORY_TEMPERATURE = 82
THROTTLED_NS: Mapping[int, str] = {
    74: "sw_power_cap", 76: "sync_boost", 269: "sw_thermal", 270: "hw_thermal", 271: "hw_power_brake"
}  # fmt: skip
"""Nanoseconds for which clocks were held back, by the reason."""
PCIE_TX, PCIE_RX = 197, 198
"""Bytes, in 32 bits: they wrap."""
NARROW = frozenset({PCIE_TX, PCIE_RX})
NVLINK_TX, NVLINK_RX = 138, 139
"""KiB over all links together."""
NVLINK5_TX, NVLINK5_RX = 202, 204
"""Bytes; the counters of Blackwell and later."""

ECC_CORRECTED, ECC_UNCORRECTED, ECC_CORRECTED_EVER, ECC_UNCORRECTED_EVER = 3, 4, 5, 6
REMAPPED_CORRECTABLE, REMAPPED_UNCORRECTABLE, REMAP_PENDING, REMAP_FAILED = 142, 143, 144, 145
PCIE_REPLAYS = 94
RECOVERY_ACTION = 230
RESETLESS_MIG = 184
NVLINK_COUNT = 91

ALL_LINKS = 0xFFFFFFFF
RETRY_S = 600.0

EACH_SECOND: Sequence["Field"] = (
    POWER_AVERAGE, POWER_NOW, POWER_LIMIT, ENERGY, MEMORY_TEMPERATURE, *THROTTLED_NS, PCIE_TX, PCIE_RX,
    (NVLINK_TX, ALL_LINKS), (NVLINK_RX, ALL_LINKS), (NVLINK5_TX, ALL_LINKS), (NVLINK5_RX, ALL_LINKS),
)  # fmt: skip
NOW_AND_THEN: Sequence["Field"] = (
    ECC_CORRECTED, ECC_UNCORRECTED, ECC_CORRECTED_EVER, ECC_UNCORRECTED_EVER, REMAPPED_CORRECTABLE,
    REMAPPED_UNCORRECTABLE, REMAP_PENDING, REMAP_FAILED, RECOVERY_ACTION, PCIE_REPLAYS,
)  # fmt: skip

Field = int | tuple[int, int]
"""Its number, or that and a scope, as a link is one."""


_Block = ctypes.Array[ctypes.Structure]
_Value: type[ctypes.Structure] = nvml.struct("c_nvmlFieldValue_t")
_VALUE = struct.Struct("@IIqqII8s")
"""nvmlFieldValue_t: number, scope, when (µs), what it took (µs), type, code, value. Read as a whole: a member at a time
through pynvml takes longer than the driver."""
_UNPACK = tuple(struct.Struct(f"@{member}").unpack_from for member in ("d", "I", "L", "Q", "q", "i", "H"))
"""By the value types of nvml.h; newer ones are not read."""


class Fields:
    """`wanted` of one GPU. `refused` has the code for each number that is not served."""

    def __init__(self, handle: nvml.Handle, wanted: Sequence[Field]) -> None:
        self._handle = handle
        self._wanted = wanted
        self._served: Sequence[Field] = ()
        self._block = _block(())
        self._probe_at_s = 0.0
        self.refused: dict[int, int] = {}

    def read(self, now_s: float) -> dict[int, float]:
        """By number. `now_s` is of any clock that only goes forward."""
        probes = now_s >= self._probe_at_s
        if probes:
            self._probe_at_s, self.refused = now_s + RETRY_S, {}
            self._serve(self._wanted)
        if not self._served:
            return {}
        refused = nvml.fill(self._handle, self._block)
        if refused:
            self.refused |= {_number(field): refused for field in self._served}
            self._probe_at_s = 0.0 if refused in nvml.LOST else self._probe_at_s
        told: dict[int, float] = {}
        for number, _, _, _, kind, code, value in () if refused else _VALUE.iter_unpack(self._block):
            if code:
                self.refused[number] = code
            elif kind < len(_UNPACK):
                told[number] = _UNPACK[kind](value)[0]
        if probes:
            self._serve([field for field in self._wanted if _number(field) in told])
        return told

    def _serve(self, fields: Sequence[Field]) -> None:
        if fields != self._served:
            self._served, self._block = fields, _block(fields)


def _block(fields: Sequence[Field]) -> _Block:
    """The question, which the driver fills with the answers; the same one each time."""
    block = (_Value * len(fields))()
    for value, field in zip(block, fields, strict=True):
        value.fieldId, value.scopeId = (field, 0) if isinstance(field, int) else field
    return block


def _number(field: Field) -> int:
    return field if isinstance(field, int) else field[0]
