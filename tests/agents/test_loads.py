from pathlib import Path

import msgspec
import pytest

from agents.instances.loads import KEPT, Load, Loading, LoadMemory
from engines.base import LoadProgress
from engines.devices import Slice
from profiles.desired.model import InstanceSpec
from profiles.observed.status import GpuReading

GPUS = [GpuReading(uuid="GPU-1", index=0, name="H100"), GpuReading(uuid="GPU-2", index=1, name="L4")]


def spec(model: str = "m", *uuids: str) -> InstanceSpec:
    slices = tuple(Slice(gpu_uuid=uuid, gpu_index=0) for uuid in uuids)
    return InstanceSpec(name="a/0", service="a", engine="e", model=model, slices=slices)


def test_a_load_is_recalled_for_the_same_model_on_the_same_kind_of_gpu(tmp_path: Path) -> None:
    LoadMemory(tmp_path / "loads.json").remember(spec("m", "GPU-1"), GPUS, Load(took_s=40.0))
    memory = LoadMemory(tmp_path / "loads.json")
    twin = [msgspec.structs.replace(GPUS[0], uuid="GPU-9")]
    assert memory.recall(spec("m", "GPU-9"), twin) == Load(took_s=40.0)
    assert memory.recall(spec("m", "GPU-2"), GPUS) is None
    assert memory.recall(spec("n", "GPU-1"), GPUS) is None
    assert memory.recall(spec("m"), GPUS) is None


def test_the_memory_is_bounded_and_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    memory = LoadMemory(tmp_path / "loads.json")
    for number in range(KEPT + 3):
        memory.remember(spec(f"m{number}"), (), Load(took_s=number))
    memory = LoadMemory(tmp_path / "loads.json")
    assert memory.recall(spec("m2"), ()) is None
    assert memory.recall(spec("m3"), ()) == Load(took_s=3.0)
    (tmp_path / "loads.json").write_bytes(b"{torn")
    assert LoadMemory(tmp_path / "loads.json").recall(spec("m3"), ()) is None


def test_without_a_memory_there_is_no_expectation() -> None:
    loading = Loading(100.0, None)
    assert loading.look(None, 101.0) == LoadProgress(step="loading", elapsed_s=1.0)
    assert loading.look(LoadProgress(step="weights", ratio=0.5), 102.9) == LoadProgress(
        step="weights", ratio=0.5, elapsed_s=2.0
    )
    assert loading.taken(110.0).steps == pytest.approx({"weights": 2.9})


def test_a_step_that_comes_late_moves_the_expected_end() -> None:
    loading = Loading(0.0, Load(took_s=60.0, steps={"weights": 10.0, "graphs": 50.0}))
    assert loading.look(None, 1.0) == LoadProgress(step="loading", elapsed_s=1.0, expected_s=60)
    assert loading.look(LoadProgress(step="weights"), 15.0).expected_s == 65
    assert loading.look(LoadProgress(step="compiling"), 20.0).expected_s == 65
    assert loading.look(LoadProgress(step="graphs"), 50.0).expected_s == 60
