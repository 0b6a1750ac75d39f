"""A look at MIG through a child on the fake driver: what is offered, what is there, who is on it, and what hangs."""

import os
from pathlib import Path
from types import ModuleType

import pytest

from agents.gpus.surveyor import CannotSurvey, Surveyor
from agents.privilege.answers import Missing, Outcome
from agents.privilege.calls import AnyCall
from agents.privilege.child import RootChild
from agents.processes import tree
from engines.devices import MigSlot
from tests.fakes.nvml.driver import MIB, FakeDriver
from tests.fakes.test_nvml_mig import THREE_SLICES, gpu, place

__all__ = ["gpu"]

UUID = "GPU-00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def meets(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of this process meet the fake driver."""
    for name in ("LD_LIBRARY_PATH", "FAKE_NVML"):
        monkeypatch.setenv(name, driver.env()[name])


async def test_a_gpu_out_of_mig_mode_says_so(driver: FakeDriver) -> None:
    found = await Surveyor().look(UUID)
    assert (found.mode, found.pending, found.instances, found.offers) == (False, False, (), ())


async def test_offers_instances_and_who_is_on_them(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    place(nvml, gpu, THREE_SLICES, 4)
    nvml.nvmlDeviceCreateGpuInstance(gpu, 19)
    driver.set({f"gpu0.gi1.compute.{os.getpid()}": 700 * MIB})
    found = await Surveyor().look(UUID)
    assert {offer.profile: (offer.id, offer.size, offer.at_most) for offer in found.offers}["3g.40gb"] == (9, 4, 2)
    whole, half = sorted(found.instances, key=lambda one: one.gi_id)
    assert whole.whole
    assert whole.devices[0].startswith("MIG-")
    assert not half.whole, "a GPU instance without a compute instance was half made"
    assert found.layout().slots == (MigSlot(profile="3g.40gb", start=4, size=4),)
    (holder,) = found.holders
    assert (holder.pid, holder.gi_id, holder.memory_mib) == (os.getpid(), whole.gi_id, 700)


async def test_a_gpu_without_mig_is_told_from_one_where_it_is_off(driver: FakeDriver) -> None:
    driver.drop("gpu0.mig.current")
    assert (await Surveyor().look(UUID)).mode is None


async def test_a_refusal_keeps_its_code(driver: FakeDriver, nvml: ModuleType, gpu: object) -> None:
    driver.set({"fault.nvmlDeviceGetGpuInstances": 4})
    with pytest.raises(CannotSurvey) as refused:
        await Surveyor().look(UUID)
    assert refused.value.may_not


async def test_a_driver_that_hangs_holds_nobody_up(driver: FakeDriver) -> None:
    driver.set({"fault.nvmlDeviceGetMigMode": "hang"})
    surveyor = Surveyor(limit_s=0.5)
    with pytest.raises(CannotSurvey, match="does not answer"):
        await surveyor.look(UUID)
    driver.drop("fault.nvmlDeviceGetMigMode")
    assert (await Surveyor().look(UUID)).mode is False
    mine = [one for one in tree.everyone().values() if one.parent == os.getpid() and not one.zombie]
    assert not [one for one in mine if b"migsurvey" in Path(f"/proc/{one.pid}/cmdline").read_bytes()], "it is gone"


class Helper:
    """Root, where this agent has no right: the driver refuses everybody else."""

    def __init__(self, driver: FakeDriver, outcome: Outcome | None = None) -> None:
        self._driver = driver
        self._outcome = outcome
        self._child = RootChild(lambda what, author: lambda *_: None)

    def may(self, call: AnyCall) -> Missing | None:
        return None

    async def do(self, call: AnyCall, author: str) -> Outcome:
        if self._outcome:
            return self._outcome
        self._driver.drop("fault.nvmlDeviceGetGpuInstances")
        return await self._child.do(call, author)


async def test_who_may_not_list_instances_has_it_done_or_is_told_the_right(
    driver: FakeDriver, nvml: ModuleType, gpu: object
) -> None:
    place(nvml, gpu, THREE_SLICES, 4)
    driver.set({"fault.nvmlDeviceGetGpuInstances": 4})
    with pytest.raises(CannotSurvey, match="it needs root") as refused:
        await Surveyor(Helper(driver, Missing(right="root", command="sudo it"))).look(UUID)
    assert refused.value.may_not
    assert "sudo it" in refused.value.hint
    assert (await Surveyor(Helper(driver)).look(UUID)).layout().slots == (MigSlot(profile="3g.40gb", start=4, size=4),)
