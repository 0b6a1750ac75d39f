"""What is remembered of a reading, and what several become."""

import math

import pytest
from msgspec.structs import replace

from engines.base import Histogram
from engines.devices import Slice
from profiles.observed.history import FIELDS, NAN, PHASES, HistoryKind, How, kept, observed
from profiles.observed.status import (
    EngineReading,
    GpuProcess,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    GpuState,
    HostReading,
    InstanceStatus,
    NodeStatus,
    Phase,
)

GPU = GpuReading(uuid="g", index=0, name="H100", busy_ratio=0.5, memory_used_mib=10, energy_mj=123_456_789_012)


def seen(*gpus: GpuReading, instance: InstanceStatus | None = None) -> dict[tuple[str, str], dict[str, float]]:
    status = NodeStatus(
        hostname="h", agent_version="0", boot_id="b", at_unix_s=100.0,
        host=HostReading(cores=1, memory_total_mib=1, cpu_ratio=0.25), gpu_source=GpuSource(GpuSourceKind.NONE),
        gpus=gpus, instances=(instance,) if instance else (),
    )  # fmt: skip
    return {name: dict(zip(FIELDS[name[0]], values, strict=True)) for name, values in observed(status)}


def test_what_is_unknown_is_nan_and_zero_is_zero() -> None:
    host = seen()[HistoryKind.HOST, ""]
    assert host["cpu_ratio"] == 0.25
    assert math.isnan(host["memory_used_mib"])
    gpu = seen(GPU)[HistoryKind.GPU, "g"]
    assert (gpu["busy_ratio"], gpu["energy_mj"], gpu["foreign_memory_mib"]) == (0.5, 123_456_789_012, 0.0)
    assert math.isnan(gpu["power_w"])
    assert math.isnan(seen(replace(GPU, absent={"processes": "no right"}))[HistoryKind.GPU, "g"]["ours_memory_mib"])


@pytest.mark.parametrize("state", [GpuState.STALE, GpuState.LOST])
def test_a_gpu_that_is_not_read_leaves_a_gap(state: GpuState) -> None:
    assert (HistoryKind.GPU, "g") not in seen(replace(GPU, state=state))


def test_processes_are_summed_as_ours_and_foreign_and_a_part_is_no_sum() -> None:
    held = (
        GpuProcess(pid=1, memory_mib=3, busy_ratio=0.1, instance="a/0"),
        GpuProcess(pid=2, memory_mib=4, busy_ratio=0.2, instance="b/0"),
        GpuProcess(pid=3, memory_mib=5),
    )
    gpu = seen(replace(GPU, processes=held))[HistoryKind.GPU, "g"]
    assert (gpu["ours_memory_mib"], gpu["foreign_memory_mib"], gpu["ours_busy_ratio"]) == (7.0, 5.0, 0.3)
    assert math.isnan(gpu["foreign_busy_ratio"])


def test_an_instance_has_the_mean_of_its_own_processes_over_its_gpus_and_what_it_pushed_out() -> None:
    held = (GpuProcess(pid=1, busy_ratio=0.2, instance="a/0"), GpuProcess(pid=2, busy_ratio=0.1, instance="a/0"),
            GpuProcess(pid=3, busy_ratio=0.6))  # fmt: skip
    reading = EngineReading(at_unix_s=100.0, preemptions_per_s=2.0,
                            ttft=Histogram((1.0, 2.0, 4.0), (0.0, 90.0, 100.0, 100.0), 1.0))  # fmt: skip
    slices = tuple(Slice(gpu_uuid=uuid, gpu_index=0) for uuid in "gh")
    one = InstanceStatus(name="a/0", profile="p", revision=1, engine="vllm", model="m", phase=Phase.READY,
                         since_unix_s=0.0, slices=slices, reading=reading)  # fmt: skip
    two = (replace(GPU, processes=held), replace(GPU, uuid="h", processes=()))
    found = seen(*two, instance=one)[HistoryKind.INSTANCE, "a/0"]
    assert (found["busy_ratio"], found["preempted_per_s"], found["ttft_p95_s"]) == (0.15, 2.0, 3.0)
    assert math.isnan(found["itl_p95_s"])
    hidden = replace(GPU, absent={"processes": "no right"})
    assert math.isnan(seen(hidden, instance=one)[HistoryKind.INSTANCE, "a/0"]["busy_ratio"])


def test_how_long_a_gpu_was_held_back_and_not_by_its_own_work() -> None:
    def throttled(**told: object) -> float:
        return seen(replace(GPU, sm_clock_mhz=1755, **told))[HistoryKind.GPU, "g"]["throttled_ratio"]

    assert throttled() == 0.0
    assert throttled(throttled_ratio={"sw_power_cap": 1.0, "sw_thermal": 0.2, "hw_thermal": 0.1}) == 0.2
    assert math.isnan(throttled(absent={"throttled_ratio": "not told"}))
    assert math.isnan(seen(GPU)[HistoryKind.GPU, "g"]["throttled_ratio"])


def test_an_old_reading_of_an_engine_is_not_what_it_does_now() -> None:
    instance = InstanceStatus(
        name="a/0", profile="p", revision=1, engine="e", model="m", phase=Phase.READY, since_unix_s=1.0,
        reading=EngineReading(at_unix_s=98.0, running=3.0, waiting=0.0),
    )  # fmt: skip
    fresh = seen(instance=instance)[HistoryKind.INSTANCE, "a/0"]
    assert (fresh["running"], fresh["waiting"], PHASES[int(fresh["phase"])]) == (3.0, 0.0, Phase.READY)
    old = replace(instance, reading=EngineReading(at_unix_s=90.0, running=3.0))
    assert math.isnan(seen(instance=old)[HistoryKind.INSTANCE, "a/0"]["running"])


def test_several_values_become_one_as_the_field_says() -> None:
    values = [1.0, NAN, 4.0, 3.0]
    assert kept(How.MEAN, values) == pytest.approx(8 / 3, abs=1e-4)
    assert (kept(How.MAX, values), kept(How.LAST, values)) == (4.0, 3.0)
    assert all(math.isnan(kept(how, [NAN, NAN])) for how in How)
    assert all(kept(how, [0.0]) == 0.0 for how in How)
