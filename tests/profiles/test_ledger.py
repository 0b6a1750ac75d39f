"""Who gets which part of a GPU: examples of each refusal, and what holds whatever happens in whatever order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from engines.devices import Enforcer, ShareMode, Slice
from profiles.gpu.account import account, kept_mib, reserved_mib, tenants
from profiles.gpu.ledger import MPS_CLIENTS, Ledger, refusal, refused_by_book
from profiles.gpu.memory import allocatable_mib, headroom_mib, usage
from profiles.gpu.slots import overlap
from profiles.observed.gpus import GpuHealth, MigState
from profiles.observed.status import GpuClaim, GpuReading, GpuState, Reason
from tests.profiles.readings import ALLOCATABLE_MIB, RESERVED_MIB, TOTAL_MIB, divided, gpu, mig, mps, part, process

HELD = {"a/0": (part(20_000),)}


def test_a_gpu_is_used_in_parts_that_add_up() -> None:
    found = usage(gpu(0, process(9_000), process(1_000, user="eve"), process(20_000, "a/0"), memory_used_mib=30_400))
    assert found is not None
    assert (found.ours, found.foreign) == ({"a/0": 20_000}, {"bob": 9_000, "eve": 1_000})
    parts = found.reserved_mib + found.ours_mib + found.foreign_mib + found.unattributed_mib + found.free_mib
    assert (found.unattributed_mib, parts) == (400, TOTAL_MIB)
    assert usage(gpu(memory_used_mib=None)) is None


def test_the_headroom_is_a_hundredth_and_never_under_half_a_gib() -> None:
    assert (headroom_mib(16_384), headroom_mib(TOTAL_MIB)) == (512, 815)
    assert allocatable_mib(gpu()) == ALLOCATABLE_MIB
    assert allocatable_mib(gpu(memory_total_mib=None)) is None


def test_of_what_is_promised_and_what_is_used_the_greater_counts() -> None:
    slow = {"a/0": (part(10_000),), "b/0": (part(10_000),)}
    found = account(gpu(0, process(2_000, "a/0"), process(15_000, "b/0"), process(500)), slow)
    assert (found.ours_mib, found.others_mib) == (25_000, 500)
    assert found.free_mib == ALLOCATABLE_MIB - 25_500


def test_memory_of_nobody_is_not_free_and_not_counted_twice() -> None:
    assert account(gpu(memory_used_mib=700), {}).others_mib == 700
    untold = account(gpu(0, process(None, "a/0"), memory_used_mib=18_000), HELD)
    assert (untold.ours_mib, untold.others_mib) == (20_000, 0), "it is of the instance that holds an untold amount"


def test_what_another_agent_claims_and_its_engines_use_counts_once() -> None:
    claim = GpuClaim(user="eve", instance="x/0", memory_mib=30_000)
    assert account(gpu(0, process(28_000, user="eve"), claims=(claim,)), {}).others_mib == 30_000
    assert account(gpu(0, process(28_000, user="bob"), claims=(claim,)), {}).others_mib == 58_000


def test_what_is_reserved_for_others() -> None:
    one, whole = GpuClaim(user="u", instance="a/0", memory_mib=300), GpuClaim(user="u", instance="b/0")
    assert [reserved_mib(1000, claims) for claims in ([], [one, one], [one, whole])] == [0, 600, 1000]
    assert (reserved_mib(None, [one]), reserved_mib(None, [whole])) == (300, None)


@pytest.mark.parametrize(
    ("wanted", "reading", "code", "text"),
    [
        (part(60_131), gpu(), "no_room", "needs 60,131 MiB of GPU 0, which has 60,130 to give"),
        (part(90_000), gpu(), "too_big", "needs 90,000 MiB of GPU 0, which has 80,130 at most"),
        (part(), gpu(), "no_room", "GPU 0 is not free: a/0 has it"),
        (part(50_000, limit=60_131), gpu(), "no_room", "needs 60,131 MiB of GPU 0, which has 60,130 to give"),
        (part(60_000), gpu(0, process(9_000)), "no_room", "needs 60,000 MiB of GPU 0, which has 51,130 to give"),
        (part(60_000), gpu(0, process(30_000, "a/0")), "no_room",
         "needs 60,000 MiB of GPU 0, which has 50,130 to give"),
        (mps(1_000), gpu(), "share_mode", "GPU 0 is shared by timeslice, and this asks for mps"),
        (part(1_000), gpu(state=GpuState.LOST), "gpu_unfit", "GPU 0 is lost"),
        (part(1_000), gpu(state=GpuState.STALE), "gpu_unfit", "GPU 0 is stale"),
        (part(1_000), gpu(health=GpuHealth.DRAIN, health_reason=Reason("xid", "XID 79", "reboot")), "gpu_unfit",
         "XID 79"),
        (part(1_000), gpu(mig=MigState(current=False, pending=True)), "gpu_unfit",
         "MIG is about to be turned on on GPU 0"),
        (part(1_000), gpu(memory_total_mib=None), "gpu_unfit", "how much memory GPU 0 has is not known"),
        (part(1_000), gpu(claims=(GpuClaim(user="eve", instance="x/0"),)), "gpu_claimed",
         "GPU 0 is claimed by the agent of eve for x/0"),
        (part(1_000), gpu(1), "gpu_missing", "this node reports no GPU 0 (GPU-0)"),
        (part(1_000), divided(), "share_mode", "GPU 0 is divided by MIG"),
        (mig("1g.10gb", 0, 1), gpu(), "share_mode", "a/0 has GPU 0, and MIG would divide it"),
    ],
)  # fmt: skip
def test_refusals(wanted: Slice, reading: GpuReading, code: str, text: str) -> None:
    found = refusal([wanted], [reading], HELD)
    assert found is not None
    assert (found.code, found.text) == (code, text)


def test_a_whole_gpu_may_have_what_a_desktop_takes_and_no_more() -> None:
    assert refusal([part()], [gpu(0, process(815))], {}) is None
    found = refusal([part()], [gpu(0, process(816))], {})
    assert found is not None
    assert found.text == "needs all of GPU 0, of which 816 MiB are in use"
    assert found.hint == "also there: whisper (bob, pid 41)"


def test_above_its_request_only_counts_what_nobody_can_take_back() -> None:
    beside = {"a/0": (mps(40_000),)}
    assert refusal([mps(40_000, limit=70_000)], [gpu()], beside) is None
    assert refusal([part(40_000, limit=70_000)], [gpu()], {"a/0": (part(40_000),)}) is not None
    assert Enforcer.MPS.takes_back
    assert not Enforcer.ENGINE_FLAG.takes_back


def test_the_nearest_fit_is_said() -> None:
    three = [gpu(0), gpu(1, process(41_000)), gpu(2, process(42_000)), gpu(3, state=GpuState.LOST)]
    found = refusal([part(70_000)], three, HELD)
    assert found is not None
    assert found.text == "needs 70,000 MiB of GPU 0, which has 60,130 to give; best is GPU 1 with 39,130"
    whole = refusal([part()], [gpu(0), gpu(1, process(9_000)), gpu(2)], HELD)
    assert whole is not None
    assert whole.text == "GPU 0 is not free: a/0 has it; best is GPU 2 with 80,130"


def test_a_gpu_has_so_many_clients_of_mps() -> None:
    held = {f"a/{at}": (mps(100),) for at in range(MPS_CLIENTS)}
    found = refusal([mps(100)], [gpu()], held)
    assert found is not None
    assert found.text == "GPU 0 has 48 MPS clients, which is all it takes"


def test_mig_devices_are_given_once_and_never_to_several_ranks() -> None:
    reading = divided(("3g.40gb", 0, 4), ("3g.40gb", 4, 4))
    held = {"a/0": (mig("3g.40gb", 0, 4),)}
    taken = refusal([mig("3g.40gb", 0, 4)], [reading], held)
    assert taken is not None
    assert (taken.code, taken.text) == ("no_room", "the 3g.40gb at 0 of GPU 0 is a/0's")
    assert refusal([mig("3g.40gb", 4, 4)], [reading], held) is None
    both = refusal([mig("3g.40gb", 0, 4), mig("3g.40gb", 4, 4)], [reading], {})
    assert both is not None
    assert both.text == "one engine uses one MIG device, not several"


def test_who_comes_first_is_not_passed_but_where_both_would_fit() -> None:
    ledger, busy = Ledger(), gpu(0, process(50_000))
    assert ledger.take("big/0", [part(60_000)], [busy]) is not None
    ahead = {"big/0": (part(60_000),)}
    behind = ledger.take("small/0", [part(30_000)], [busy], ahead)
    assert behind is not None
    assert behind.text == "the room on GPU 0 is for big/0, which comes first"
    assert ledger.take("small/0", [part(20_000)], [busy], ahead) is None, "both fit once the stranger is gone"


def test_by_the_book_only_instances_of_ours_count() -> None:
    sick = gpu(0, process(50_000), state=GpuState.LOST, claims=(GpuClaim(user="eve", instance="x/0"),))
    assert refused_by_book([part(60_000)], [sick], HELD) is None
    assert refused_by_book([part(61_000)], [sick], HELD) is not None


def test_all_of_a_group_or_none() -> None:
    ledger = Ledger({"a/0": (part(70_000, index=1),)})
    assert ledger.take("b/0", [part(20_000), part(20_000, index=1)], [gpu(0), gpu(1)]) is not None
    assert "b/0" not in ledger.held
    assert ledger.take("a/0", [part(75_000, index=1)], [gpu(0), gpu(1)]) is None, "its own part is not in its way"


NAMES = st.sampled_from(["a/0", "b/0", "c/0", "d/0"])
INDEXES = st.integers(0, 1)
MIB, MORE = st.integers(1, 60_000), st.integers(0, 30_000)
PARTS = st.one_of(
    st.builds(part, st.none() | st.integers(1, 90_000), INDEXES),
    st.builds(lambda mib, more, index: part(mib, index, mib + more), MIB, MORE, INDEXES),
    st.builds(lambda mib, more, index: mps(mib, mib + more, index), MIB, MORE, INDEXES),
    st.builds(lambda start: mig("1g.10gb", start, 1, 2), st.integers(0, 3)),
)
GROUPS = st.lists(PARTS, min_size=1, max_size=2, unique_by=lambda one: one.gpu_uuid).map(tuple)


class AnyOrder(RuleBasedStateMachine):
    """Two GPUs that strangers come to and leave, and one that is divided."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.strangers: dict[int, int] = {}
        self.lost: set[int] = set()

    def gpus(self) -> list[GpuReading]:
        plain = [
            gpu(index, *([process(mib)] if (mib := self.strangers.get(index)) else []),
                state=GpuState.LOST if index in self.lost else GpuState.OK)
            for index in (0, 1)
        ]  # fmt: skip
        return [*plain, divided(*(("1g.10gb", start, 1) for start in range(3)), index=2)]

    @rule(name=NAMES, wanted=GROUPS)
    def take(self, name: str, wanted: tuple[Slice, ...]) -> None:
        before = dict(self.ledger.held)
        found = self.ledger.take(name, wanted, self.gpus())
        if found is not None:
            assert self.ledger.held == before
            assert found.text
            return
        for one in self.gpus():
            if one.index < 2 and tenants(one, {name: wanted}):
                there = account(one, tenants(one, self.ledger.held))
                assert there.taken_mib <= ALLOCATABLE_MIB + headroom_mib(TOTAL_MIB)
                assert one.state is GpuState.OK

    @rule(name=NAMES)
    def release_twice(self, name: str) -> None:
        self.ledger.release(name)
        after = dict(self.ledger.held)
        self.ledger.release(name)
        assert self.ledger.held == after

    @rule(index=INDEXES, mib=st.integers(1, TOTAL_MIB - RESERVED_MIB))
    def stranger_comes(self, index: int, mib: int) -> None:
        self.strangers[index] = mib

    @precondition(lambda self: self.strangers)
    @rule(index=INDEXES)
    def stranger_leaves(self, index: int) -> None:
        self.strangers.pop(index, None)

    @rule(index=INDEXES)
    def falls_off_or_comes_back(self, index: int) -> None:
        self.lost ^= {index}

    @rule()
    def restart(self) -> None:
        """Rebuilt from what each was started with, in any order."""
        again = Ledger()
        for name, parts in reversed(self.ledger.held.items()):
            again.book(name, parts)
        assert again.held == self.ledger.held
        self.ledger = again

    @invariant()
    def promises_can_be_kept(self) -> None:
        for one in self.gpus():
            there = tenants(one, self.ledger.held)
            parts = [part for parts in there.values() for part in parts]
            assert sum(kept_mib(part, ALLOCATABLE_MIB) for part in parts) <= ALLOCATABLE_MIB
            assert len({part.share_mode for part in parts}) <= 1
            assert sum(part.share_mode is ShareMode.EXCLUSIVE for part in parts) <= 1
            slots = [part.mig for part in parts if part.mig]
            assert not any(overlap(a, b) for at, a in enumerate(slots) for b in slots[:at])

    @invariant()
    def whoever_has_a_part_may_take_it_again_on_a_free_gpu(self) -> None:
        well = [replace(one, processes=(), memory_used_mib=0, state=GpuState.OK) for one in self.gpus()]
        for name, parts in self.ledger.held.items():
            assert Ledger(self.ledger.held).take(name, parts, well) is None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
