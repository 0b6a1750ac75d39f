"""Tables worked out by hand, and what holds for every table."""

from hypothesis import given
from hypothesis import strategies as st

from engines.devices import Enforcer, Slice
from profiles.money.cost import Bill, GpuUse, add, bill, energy_kwh, grouped


def part(memory_mib: int | None = None, compute_percent: int | None = None) -> Slice:
    enforcer = Enforcer.MPS if compute_percent else Enforcer.NONE
    return Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=memory_mib, compute_percent=compute_percent,
                 compute_enforcer=enforcer)  # fmt: skip


def use(price: int | None = 4_000_000, busy: float | None = 0.5, foreign_mib: int = 0, **slices: Slice) -> GpuUse:
    return GpuUse(microusd_h=price, memory_mib=80_000, busy_ratio=busy, slices=slices, foreign_mib=foreign_mib)


def test_a_whole_gpu_is_paid_by_its_instance() -> None:
    assert bill(use(chat=part())) == Bill(instances={"chat": 4_000_000})


def test_shares_foreign_and_the_rest_by_hand() -> None:
    """20,000 and 10,000 of 80,000 MiB at 4 $/h are 1.00 and 0.50; a stranger's 8,000 MiB are 0.40; 2.10 is left."""
    found = bill(use(embed=part(20_000), rank=part(10_000), foreign_mib=8_000))
    assert found == Bill(instances={"embed": 1_000_000, "rank": 500_000}, foreign=400_000, unallocated=2_100_000)
    assert found.total == 4_000_000


def test_the_larger_part_is_paid() -> None:
    assert bill(use(draft=part(8_000, compute_percent=30))).instances == {"draft": 1_200_000}


def test_ceilings_beyond_the_whole_are_paid_in_proportion() -> None:
    found = bill(use(a=part(8_000, compute_percent=100), b=part(8_000, compute_percent=100)))
    assert found.instances == {"a": 2_000_000, "b": 2_000_000}
    assert found.unallocated == 0


def test_what_is_allocated_and_does_nothing_is_idle() -> None:
    assert bill(use(busy=0.04, chat=part())).idle == 4_000_000
    assert bill(use(busy=0.05, chat=part())).idle == 0
    assert bill(use(busy=None, chat=part())).idle == 0
    assert bill(use(busy=0.0)) == Bill(unallocated=4_000_000)


def test_no_price_is_not_free() -> None:
    assert bill(use(price=None, chat=part())) == Bill(unpriced=1)
    assert bill(use(price=0, chat=part())) == Bill(instances={"chat": 0})


def test_an_instance_on_four_gpus_pays_four() -> None:
    found = add([bill(use(chat=part()))] * 4 + [bill(use(price=None))])
    assert found == Bill(instances={"chat": 16_000_000}, unpriced=1)


def test_by_whom() -> None:
    by_owner = grouped({"chat/0": 3, "chat/1": 4, "embed/0": 5}, {"chat/0": "search", "chat/1": "search"})
    assert by_owner == {"search": 7, "": 5}


def test_energy_of_a_counter_that_began_anew() -> None:
    assert energy_kwh([0, 3_600_000_000]) == 1.0
    assert energy_kwh([3_600_000_000, 1_800_000_000]) == 0.5
    assert energy_kwh([5]) == 0.0


slices = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(part, st.none() | st.integers(1, 90_000), st.none() | st.integers(1, 100)),
    max_size=6,
)


@given(slices, st.integers(0, 10**9), st.integers(0, 200_000), st.none() | st.floats(0, 1))
def test_every_bill_adds_up(held: dict[str, Slice], price: int, foreign_mib: int, busy: float | None) -> None:
    found = bill(use(price, busy, foreign_mib, **held))
    assert found.total == price
    assert min([0, *found.instances.values()]) >= 0 <= min(found.foreign, found.unallocated)
    assert found.idle in (0, found.allocated)
