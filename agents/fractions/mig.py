"""An instance on a MIG device: the driver itself keeps it apart, in memory, compute and faults.

A slice names a place on the GPU, which outlives the device there; the UUID of the device, new each time that it is
made, is looked up at every start.
"""

from collections.abc import Callable, Sequence

from agents.fractions.mechanism import CannotGrant, Grant
from agents.gpus.surveyor import CannotSurvey, Surveyor
from engines.devices import Slice
from profiles.observed.gpus import MigDevice
from profiles.observed.status import GpuReading, Reason


class Mig:
    """`readings` are those of the GPUs as they are known; they stand in where this agent may not list instances."""

    def __init__(self, surveyor: Surveyor, readings: Callable[[], Sequence[GpuReading]]) -> None:
        self._surveyor = surveyor
        self._readings = readings

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        """Raises CannotGrant."""
        if len(slices) > 1:
            text = f"{instance} has {len(slices)} MIG instances, and a CUDA process uses one"
            raise CannotGrant("mig_several", text, "give it one MIG instance, or whole GPUs")
        return Grant(env={"CUDA_VISIBLE_DEVICES": await self._device(slices[0])})

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        """An engine that reads no CUDA_VISIBLE_DEVICES takes the first MIG device of the machine."""
        for one in slices:
            reading = next((gpu for gpu in self._readings() if gpu.uuid == one.gpu_uuid), None)
            own = _device_of(reading, one) if reading else None
            elsewhere = {
                process.mig
                for process in (reading.processes if reading else ())
                if process.pid in pids and process.mig is not None and own and process.mig != own.uuid
            }
            if elsewhere:
                text = f"it runs on {', '.join(sorted(elsewhere))}, not on {_place(one)}"
                return Reason(
                    "mig_elsewhere", text, "its engine does not follow CUDA_VISIBLE_DEVICES: see docs/fractions.md"
                )
        return None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        return

    async def _device(self, one: Slice) -> str:
        """The UUID of the device at its place. Raises CannotGrant."""
        try:
            survey = await self._surveyor.look(one.gpu_uuid)
        except CannotSurvey as error:
            if not error.may_not:
                raise CannotGrant("mig_unknown", error.message, error.hint, again=True) from None
            return self._as_read(one)
        found = [there for there in survey.instances if there.slot == one.mig and there.whole]
        if not found:
            raise _missing(one, survey.layout().text())
        return found[0].devices[0]

    def _as_read(self, one: Slice) -> str:
        """Raises CannotGrant."""
        reading = next((gpu for gpu in self._readings() if gpu.uuid == one.gpu_uuid), None)
        device = _device_of(reading, one) if reading else None
        if device is None:
            there = ", ".join(known.profile for known in reading.mig_devices) if reading else ""
            raise _missing(one, there or "none that can be read")
        return device.uuid


def _device_of(reading: GpuReading, one: Slice) -> MigDevice | None:
    """By its place; a reader that may not list instances knows no places, and then a profile that is there once."""
    if one.mig is None:
        return None
    alike = [device for device in reading.mig_devices if device.profile == one.mig.profile]
    placed = [device for device in alike if (device.start, device.size) == (one.mig.start, one.mig.size)]
    if placed:
        return placed[0]
    return alike[0] if len(alike) == 1 and alike[0].start is None else None


def _missing(one: Slice, there: str) -> CannotGrant:
    text = f"GPU {one.gpu_index} has no {_place(one)}: {there}"
    return CannotGrant("mig_missing", text, "divide it so (`gpuyard fractions plan`), or place the instance anew")


def _place(one: Slice) -> str:
    return f"{one.mig.profile} at {one.mig.start}" if one.mig else f"GPU {one.gpu_index}"
