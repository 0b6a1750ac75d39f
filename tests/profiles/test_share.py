"""From what a service asks of a GPU to the slice that it gets."""

import pytest

from engines import registry
from engines.base import Engine
from engines.devices import Enforcer, MigSlot, Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Desired, DesiredInstance, Profile, Service
from profiles.gpu.account import NOBODY, Held
from profiles.gpu.share import NoPart, part_of
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, HostReading, NodeStatus
from profiles.placing.place import place
from tests.profiles.readings import ALLOCATABLE_MIB, TOTAL_MIB, divided, gpu, mig, part

VLLM, LLAMA = registry.get("vllm"), registry.get("llama_cpp")


def asked(request: GpuRequest, reading: GpuReading | None = None, engine: Engine = VLLM,
          before: Slice | None = None, others: Held = NOBODY) -> Slice | NoPart:  # fmt: skip
    return part_of(request.share(), reading or gpu(), engine, before, others)


def test_whole_or_by_memory_with_whoever_can_hold_it() -> None:
    assert asked(GpuRequest()) == part()
    told = part(12_288, limit=16_384, memory_enforcer=Enforcer.ENGINE_FLAG, gpu_memory_mib=TOTAL_MIB)
    assert asked(GpuRequest(memory="12GiB", limit="16GiB")) == told
    trusted = asked(GpuRequest(memory="12GiB"), engine=LLAMA)
    assert trusted == part(12_288, memory_enforcer=Enforcer.NONE, gpu_memory_mib=TOTAL_MIB)


def test_compute_is_held_by_mps() -> None:
    found = asked(GpuRequest(memory="12GiB", compute="30%"))
    assert isinstance(found, Slice)
    assert (found.memory_enforcer, found.compute_percent, found.compute_enforcer) == (Enforcer.MPS, 30, Enforcer.MPS)


@pytest.mark.parametrize(("portion", "mib"), [(1.0, ALLOCATABLE_MIB), (0.25, ALLOCATABLE_MIB // 4), (0.1, 8013)])
def test_a_portion_is_of_what_can_be_given_rounded_down(portion: float, mib: int) -> None:
    found = asked(GpuRequest(portion=portion))
    assert isinstance(found, Slice)
    assert (found.memory_mib, found.portion) == (mib, portion)


def test_what_was_worked_out_once_stays() -> None:
    before = asked(GpuRequest(portion=0.25))
    assert isinstance(before, Slice)
    grown = gpu(3, uuid="GPU-0", memory_total_mib=TOTAL_MIB + 1000)
    again = asked(GpuRequest(portion=0.25), grown, before=before)
    assert isinstance(again, Slice)
    assert (again.memory_mib, again.gpu_memory_mib, again.gpu_index) == (before.memory_mib, TOTAL_MIB, 3)
    more = asked(GpuRequest(portion=0.5), grown, before=before)
    assert isinstance(more, Slice)
    assert more.gpu_memory_mib == TOTAL_MIB + 1000
    freed = asked(GpuRequest(portion=0.25, enforce="none"), grown, before=before)
    assert isinstance(freed, Slice)
    assert freed.memory_mib != before.memory_mib


def test_a_mig_device_is_a_free_one_of_that_profile_and_stays() -> None:
    reading = divided(("1g.10gb", 0, 1), ("1g.10gb", 1, 1), ("2g.20gb", 2, 2))
    slot = MigSlot(profile="1g.10gb", start=1, size=1)
    held = {"a/0": (mig("1g.10gb", 0, 1),)}
    found = asked(GpuRequest(mig="1g.10gb"), reading, others=held)
    assert isinstance(found, Slice)
    assert (found.mig, found.memory_enforcer, found.compute_enforcer) == (slot, Enforcer.MIG, Enforcer.MIG)
    assert asked(GpuRequest(mig="1g.10gb"), reading, before=found) == found
    full = asked(GpuRequest(mig="1g.10gb"), reading, others={**held, "b/0": (found,)})
    assert full == NoPart(
        "GPU 0 has no free 1g.10gb",
        "it has 1g.10gb (a/0), 1g.10gb (b/0), 2g.20gb (free); `gpuyard fractions plan` divides it otherwise",
    )
    plain = asked(GpuRequest(mig="1g.10gb"))
    assert plain == NoPart(
        "GPU 0 has no free 1g.10gb", "it is not divided by MIG; `gpuyard fractions plan` divides it otherwise"
    )


def test_what_makes_no_sense_on_this_gpu() -> None:
    unknown = asked(GpuRequest(memory="1GiB"), gpu(memory_total_mib=None))
    assert unknown == NoPart("how much memory GPU 0 has is not known", "choose another GPU")
    assert asked(GpuRequest(portion=0.001)) == NoPart("0.001 of GPU 0 is 80 MiB", "at least 512 MiB make sense")
    over = asked(GpuRequest(portion=0.5, limit="1GiB"))
    assert over == NoPart("0.5 of GPU 0 is 40,065 MiB, over its limit of 1,024", "raise `limit`, or lower `portion`")


def node(*gpus: GpuReading) -> dict[str, NodeStatus]:
    status = NodeStatus(
        hostname="n", agent_version="1", boot_id="b", at_unix_s=0.0, gpus=gpus,
        host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip
    return {"n": status}


def test_replicas_may_share_a_gpu_and_ranks_may_not() -> None:
    small = GpuRequest(("n/0", "n/0"), memory="8GiB")
    placed = place(Profile(1, "p", {"a": Service("m", engine="vllm", replicas=2, gpus=small)}), node(gpu()))
    assert [spec.slices[0].memory_mib for spec in placed.specs["n"]] == [8192, 8192]
    (refused,) = place(Profile(1, "p", {"a": Service("m", engine="vllm", gpus=small)}), node(gpu())).unplaceable
    assert (refused.reason, refused.hint) == ("one replica would have two parts of n/0", "ask for one larger part")


def test_replicas_get_a_mig_device_each_and_what_leaves_gives_its_own() -> None:
    nodes = node(divided(("1g.10gb", 0, 1), ("1g.10gb", 1, 1)))
    request = GpuRequest(("n/0", "n/0"), mig="1g.10gb")
    profile = Profile(1, "p", {"a": Service("m", engine="vllm", replicas=2, gpus=request)})
    first = place(profile, nodes).specs["n"]
    assert [spec.slices[0].mig.start for spec in first if spec.slices[0].mig] == [0, 1]
    owned = {spec.name: DesiredInstance(profile="p", revision=1, spec=spec) for spec in first}
    desired = {"n": Desired(generation=1, instances=owned)}
    renamed = Profile(1, "p", {"b": Service("m", engine="vllm", replicas=2, gpus=request)})
    assert not place(renamed, nodes, desired).unplaceable
    assert place(renamed, nodes, desired, prunes=False).unplaceable


@pytest.mark.parametrize(
    "request_",
    [GpuRequest(("n/0", "n/1"), memory="8GiB", compute="30%"), GpuRequest(("n/0", "n/1"), mig="1g.10gb")],
)
def test_what_one_engine_cannot_have_of_several_gpus(request_: GpuRequest) -> None:
    profile = Profile(1, "p", {"a": Service("m", engine="vllm", gpus=request_)})
    (refused,) = place(profile, node(gpu(), gpu(1))).unplaceable
    assert refused.hint == "list one device for each replica"


def test_a_part_that_leaves_nothing_for_the_model_is_refused() -> None:
    request = GpuRequest(("n/0",), memory="600MiB")
    (refused,) = place(Profile(1, "p", {"a": Service("m", engine="vllm", gpus=request)}), node(gpu())).unplaceable
    assert refused.reason == "600 MiB of GPU memory leave the engine nothing for a model"
