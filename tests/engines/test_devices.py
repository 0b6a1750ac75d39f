import pytest

from engines.devices import Enforcer, MigSlot, ShareMode, Slice


def part(**given: object) -> Slice:
    return Slice(**{"gpu_uuid": "GPU-1", "gpu_index": 0, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slice_", "mode"),
    [
        (part(), ShareMode.EXCLUSIVE),
        (part(memory_mib=1024), ShareMode.TIMESLICE),
        (part(memory_mib=1024, memory_enforcer=Enforcer.ENGINE_FLAG), ShareMode.TIMESLICE),
        (part(memory_mib=1024, memory_enforcer=Enforcer.MPS), ShareMode.MPS),
        (part(memory_mib=1024, compute_percent=30, compute_enforcer=Enforcer.MPS), ShareMode.MPS),
        (part(mig=MigSlot(profile="1g.10gb", start=0, size=1), memory_mib=9728), ShareMode.MIG),
    ],
)
def test_a_slice_says_how_its_gpu_must_be_shared(slice_: Slice, mode: ShareMode) -> None:
    assert slice_.share_mode is mode


def test_a_flag_and_nothing_are_cooperation_alone() -> None:
    assert {one for one in Enforcer if one.cooperative} == {Enforcer.ENGINE_FLAG, Enforcer.NONE}
