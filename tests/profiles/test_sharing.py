"""Who has which part of a GPU, and what adds up to all of it; what each way of sharing keeps apart."""

from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from engines.devices import Enforcer, MigSlot, ShareMode, Slice
from profiles.desired.model import Wanted
from profiles.gpu.sharing import Sharing, sharing
from profiles.observed.status import InstanceStatus, Phase
from profiles.observed.traits import TRAITS, Way, way
from tests.fakes.sharing import NODE, part, shared_store, tenant

PAGE = (Path(__file__).parents[2] / "docs" / "fractions.md").read_text()


def of(index: int) -> Sharing:
    view = shared_store().nodes[NODE]
    assert view.status
    return sharing(view.gpus[f"GPU-{NODE}-{index}"], view.instances.values(), view.status.internals)


def test_modes_tenants_and_strangers() -> None:
    found = [of(index) for index in range(5)]
    modes = [ShareMode.MPS, ShareMode.TIMESLICE, ShareMode.MIG, ShareMode.EXCLUSIVE, None]
    assert [one.mode for one in found] == modes
    assert [tenant.name for tenant in found[2].tenants] == ["rerank/0", "tagger/0"]
    assert [slot.start for slot in found[2].free_slots] == [5]
    assert [one.pid for one in found[1].strangers] == [41822]
    assert [one.name for one in found[0].internals] == ["_mps-1f3a90bc"]
    assert found[1].internals == ()


@pytest.mark.parametrize("index", [0, 1, 3, 4])
def test_the_figures_of_a_gpu_add_up_to_all_of_it(index: int) -> None:
    found = of(index)
    assert found.usage
    assert found.allocatable_mib
    assert found.free_mib is not None
    used = sum(one.used_mib or 0 for one in found.tenants) + found.internal_mib + found.usage.foreign_mib
    promised = sum(one.promised_mib for one in found.tenants)
    unused = found.free_mib if found.mode is not ShareMode.EXCLUSIVE else found.allocatable_mib - used
    assert used + found.usage.unattributed_mib + promised + unused == found.allocatable_mib


def test_an_instance_holds_its_part_until_it_is_gone() -> None:
    gpu = shared_store().nodes[NODE].gpus[f"GPU-{NODE}-4"]

    def holds(**more: object) -> bool:
        one: InstanceStatus = replace(tenant("a/0", part(4, memory_mib=1024)), **{"pid": None, **more})
        return bool(sharing(gpu, [one]).tenants)

    assert holds(phase=Phase.BACKOFF)
    assert holds(phase=Phase.STOPPING, pid=9, wanted=Wanted.STOPPED)
    assert not holds(phase=Phase.PENDING)
    assert not holds(phase=Phase.FAILED)
    assert not holds(phase=Phase.STOPPED, wanted=Wanted.STOPPED)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (part(0), Way.WHOLE),
        (part(0, memory_mib=1), Way.NONE),
        (part(0, memory_mib=1, memory_enforcer=Enforcer.ENGINE_FLAG), Way.ENGINE_FLAG),
        (part(0, memory_mib=1, compute_percent=5, compute_enforcer=Enforcer.MPS), Way.MPS),
        (part(0, mig=MigSlot(profile="1g.10gb", start=0, size=1)), Way.MIG),
    ],
)
def test_every_part_has_its_way(held: Slice, expected: Way) -> None:
    assert way(held) is expected


def test_the_docs_say_of_each_way_what_the_data_says() -> None:
    for one in Way:
        for name, text in asdict(TRAITS[one]).items():
            assert f" {text} |" in PAGE, f"docs/fractions.md lacks the {name} of {one}: {text}"
