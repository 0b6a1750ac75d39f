"""What has gone wrong in a GPU so far, and what its driver asks for."""

from agents.gpus import fields, nvml
from agents.gpus.answers import Answers
from agents.gpus.fields import Fields
from profiles.observed.gpus import GpuErrors, Recovery

_RECOVERIES = tuple(Recovery)
"""In the order of nvml.h's nvmlDeviceGpuRecoveryAction_t."""

_COUNTS = {
    "ecc_corrected": fields.ECC_CORRECTED,
    "ecc_uncorrected": fields.ECC_UNCORRECTED,
    "ecc_corrected_ever": fields.ECC_CORRECTED_EVER,
    "ecc_uncorrected_ever": fields.ECC_UNCORRECTED_EVER,
    "pcie_replays": fields.PCIE_REPLAYS,
}


class Condition:
    """Of one GPU."""

    def __init__(self, handle: nvml.Handle) -> None:
        self._fields = Fields(handle, fields.NOW_AND_THEN)

    def read(self, answers: Answers, now_s: float) -> tuple[GpuErrors | None, Recovery | None]:
        """None where the GPU tells nothing of the kind."""
        told = self._fields.read(now_s)
        refused = self._fields.refused
        action = answers.missing("recovery", told.get(fields.RECOVERY_ACTION), refused.get(fields.RECOVERY_ACTION))
        known = action is not None and action < len(_RECOVERIES)
        recovery = _RECOVERIES[int(action)] if action is not None and known else None
        if not told.keys() - {fields.RECOVERY_ACTION}:
            return answers.missing("errors", None, refused.get(fields.ECC_CORRECTED)), recovery
        counts = {name: int(told[number]) for name, number in _COUNTS.items() if number in told}
        rows = [
            told[number] for number in (fields.REMAPPED_CORRECTABLE, fields.REMAPPED_UNCORRECTABLE) if number in told
        ]
        return GpuErrors(
            **counts,
            rows_remapped=int(sum(rows)) if rows else None,
            remap_pending=_flag(told.get(fields.REMAP_PENDING)),
            remap_failed=_flag(told.get(fields.REMAP_FAILED)),
        ), recovery


def _flag(value: float | None) -> bool | None:
    return None if value is None else bool(value)
