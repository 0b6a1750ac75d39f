"""Parts of GPUs as people read them, in a plan, a row and a page."""

import pytest

from console.render.memorybar import memory_bar
from console.render.plan import plan_lines
from console.render.slices import amount, enforcement, part_cell, part_lines
from console.render.table import Tone
from engines.devices import Enforcer, Slice
from profiles.observed.status import Reason
from profiles.plans.plan import Action, GpuMemory, Plan, Step
from tests.profiles.readings import gpu, mig, mps, part, process

LIMITED = part(12_288, limit=16_384, memory_enforcer=Enforcer.ENGINE_FLAG)


@pytest.mark.parametrize(
    ("held", "much", "who", "cell"),
    [
        (part(), "", "cooperative: nobody holds it", "whole"),
        (LIMITED, "12.0 to 16.0 GiB", "cooperative: the engine's own option", "12.0 GiB"),
        (part(8192, memory_enforcer=Enforcer.MPS, compute_percent=30, compute_enforcer=Enforcer.MPS),
         "8.0 GiB, 30% of SMs", "held by MPS", "8.0 GiB"),
        (mig("1g.10gb", 0, 1), "1g.10gb", "held by MIG", "1g.10gb"),
    ],
)  # fmt: skip
def test_how_much_and_who_holds_it(held: Slice, much: str, who: str, cell: str) -> None:
    assert (amount(held), enforcement(held), part_cell([held]).text) == (much, who, cell)


def test_a_whole_gpu_is_dim_and_the_cpu_is_nothing() -> None:
    assert part_cell([part(), part(index=1)]).tone is Tone.DIM
    assert part_cell([]).text == ""


def test_what_is_above_the_request_is_reclaimable() -> None:
    over = list(part_lines("a/0", [LIMITED], [gpu(0, process(13_312, "a/0"))]))
    text = "gpu0: 12.0 to 16.0 GiB, cooperative: the engine's own option; has 13.0 GiB, 1.0 of it reclaimable"
    assert over == [text]
    under = list(part_lines("a/0", [mps(12_288, 16_384)], [gpu(0, process(1_024, "a/0"))]))
    assert under == ["gpu0: 12.0 to 16.0 GiB, held by MPS; has 1.0 GiB"]
    assert list(part_lines("a/0", [part(), mps(2048, index=1)], [])) == ["gpu1: 2.0 GiB, held by MPS"]


def test_a_plan_says_who_holds_what_is_given_and_what_waits() -> None:
    waits = Reason("no_room", "GPU 0 is not free: b/0 has it")
    step = Step(action=Action.START, node="n", instance="a/0", slices=(LIMITED,), waits=waits)
    memory = GpuMemory(node="n", gpu_index=0, before_mib=0, after_mib=12_288, allocatable_mib=None)
    assert list(plan_lines(Plan(title="start", steps=(step,), nodes=(), memory=(memory,)))) == [
        "Plan  start",
        "  + start    a/0  on n",
        "      gpu0: 12.0 to 16.0 GiB, cooperative: the engine's own option",
        "      ! it will wait: GPU 0 is not free: b/0 has it",
        "  GPU      before    after   of GiB",
        "  n gpu0      0.0     12.0        –",
    ]


def test_memory_in_a_few_cells_by_whose_it_is() -> None:
    busy = gpu(0, process(40_000, "a/0"), process(9_000), memory_used_mib=50_000)
    assert memory_bar(busy, 20) == "/█████████▒▒?·······"
    assert memory_bar(gpu(memory_used_mib=None), 20) == "–"
