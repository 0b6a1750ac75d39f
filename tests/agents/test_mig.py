"""An instance on a MIG device: the device at its place is looked up at every start; who is elsewhere is found."""

from types import ModuleType

import pytest

from agents.fractions.mechanism import CannotGrant
from agents.fractions.mig import Mig
from agents.gpus.surveyor import Surveyor
from engines.devices import MigSlot, Slice
from profiles.observed.gpus import MigDevice
from profiles.observed.status import GpuProcess, GpuReading
from tests.agents.test_migsurvey import UUID, meets
from tests.fakes.nvml.driver import FakeDriver
from tests.fakes.test_nvml_mig import THREE_SLICES, gpu, place

__all__ = ["gpu", "meets"]

PART = Slice(gpu_uuid=UUID, gpu_index=0, mig=MigSlot(profile="3g.40gb", start=4, size=4))


def device(uuid: str, profile: str = "3g.40gb", start: int | None = 4) -> MigDevice:
    return MigDevice(uuid=uuid, profile=profile, start=start, size=None if start is None else 4, gi_id=1, ci_id=0)


def reading(*devices: MigDevice, processes: tuple[GpuProcess, ...] = ()) -> list[GpuReading]:
    return [GpuReading(uuid=UUID, index=0, name="H100", mig_devices=devices, processes=processes)]


async def test_the_device_at_the_place_is_what_the_engine_sees(nvml: ModuleType, gpu: object) -> None:
    _, compute = place(nvml, gpu, THREE_SLICES, 4)
    uuid = nvml.nvmlDeviceGetUUID(nvml.nvmlComputeInstanceGetInfo_v2(compute).device)
    mig = Mig(Surveyor(), list)
    assert (await mig.grant("a/0", [PART])).env == {"CUDA_VISIBLE_DEVICES": uuid}
    with pytest.raises(CannotGrant) as several:
        await mig.grant("a/0", [PART, PART])
    assert several.value.reason.code == "mig_several"
    other = Slice(gpu_uuid=UUID, gpu_index=0, mig=MigSlot(profile="3g.40gb", start=0, size=4))
    with pytest.raises(CannotGrant, match=r"has no 3g\.40gb at 0: 3g\.40gb at 4"):
        await mig.grant("a/0", [other])


async def test_where_instances_may_not_be_listed_the_reading_stands_in(driver: FakeDriver, gpu: object) -> None:
    driver.set({"fault.nvmlDeviceGetGpuInstances": 4})
    for known, found in (
        ((device("MIG-a", start=0), device("MIG-b")), "MIG-b"),
        ((device("MIG-a", start=None), device("MIG-b", "1g.10gb", None)), "MIG-a"),
    ):
        mig = Mig(Surveyor(), lambda known=known: reading(*known))
        assert (await mig.grant("a/0", [PART])).env == {"CUDA_VISIBLE_DEVICES": found}
    ambiguous = Mig(Surveyor(), lambda: reading(device("MIG-a", start=None), device("MIG-b", start=None)))
    with pytest.raises(CannotGrant) as refused:
        await ambiguous.grant("a/0", [PART])
    assert refused.value.reason.code == "mig_missing"


async def test_a_driver_that_does_not_answer_is_asked_again(driver: FakeDriver, gpu: object) -> None:
    driver.set({"fault.nvmlDeviceGetMigMode": 999})
    with pytest.raises(CannotGrant) as refused:
        await Mig(Surveyor(), list).grant("a/0", [PART])
    assert refused.value.again


@pytest.mark.parametrize(("on", "code"), [("MIG-b", None), ("MIG-a", "mig_elsewhere"), (None, None)])
async def test_an_engine_on_another_device_is_told(on: str | None, code: str | None) -> None:
    processes = (GpuProcess(pid=7, mig=on), GpuProcess(pid=8, mig="MIG-a"))
    mig = Mig(Surveyor(), lambda: reading(device("MIG-a", start=0), device("MIG-b"), processes=processes))
    found = await mig.verify("a/0", [PART], frozenset({7}))
    assert (found.code if found else None) == code
