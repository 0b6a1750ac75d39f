"""How a change of a GPU's layout reads, and what is refused before a node is asked."""

import pytest
from msgspec.structs import replace

from console.cli.parser import run
from console.render.layout import change_line, change_reason, layout_plan_lines
from engines.devices import MigSlot
from profiles.gpu.migplan import migration
from profiles.gpu.repartition import Blocker, BlockerKind, ChangePhase, GpuChange, GpuPlan
from profiles.observed.mig import MigLayout, layout
from profiles.observed.status import Reason

THREE, OTHER = (MigSlot(profile="3g.40gb", start=start, size=4) for start in (0, 4))
ONES = tuple(MigSlot(profile="1g.10gb", start=start, size=1) for start in (4, 5))
NOW, THEN = layout([THREE, OTHER]), layout([THREE, *ONES])


def test_a_plan_draws_both_layouts_and_names_who_is_in_its_way() -> None:
    blockers = (
        Blocker(kind=BlockerKind.INSTANCE, slot=OTHER, instance="chat/0", pid=4711),
        Blocker(kind=BlockerKind.PROCESS, slot=OTHER, pid=4712, name="python", user="eve"),
    )
    plan = GpuPlan(gpu_uuid="GPU-1", gpu_index=3, plan=migration(NOW, THEN), blockers=blockers)
    assert list(layout_plan_lines("fra-1", plan)) == [
        "Plan  divide fra-1 gpu3",
        "    slot     0       1       2       3       4       5       6       7",
        "    now      ▏3g.40gb                        ▏3g.40gb",
        "    then     ▏3g.40gb                        ▏1g.10gb▏1g.10gb·       ·",
        "  = keep     3g.40gb at 0; who runs there is not disturbed",
        "  × destroy  3g.40gb at 4",
        "  + create   1g.10gb at 4, 5",
        "  ↓ drain    chat/0 (pid 4711) on 3g.40gb at 4",
        "  ! in use   python of eve (pid 4712) on 3g.40gb at 4",
    ]


def test_a_narrow_map_keeps_its_slots_and_cuts_names() -> None:
    plan = GpuPlan(gpu_uuid="GPU-1", gpu_index=0, plan=migration(NOW, THEN))
    lines = list(layout_plan_lines("n", plan, 64))[1:4]
    assert max(map(len, lines)) <= 64
    assert lines[2] == "    then     ▏3g.40gb                ▏1g.1…▏1g.1…·     ·"


def test_a_change_of_mode_says_that_the_gpu_is_reset() -> None:
    plan = GpuPlan(gpu_uuid="GPU-1", gpu_index=0, plan=migration(MigLayout(mode=False), layout(ONES)), resets=True)
    lines = list(layout_plan_lines("n", plan))
    assert "    now      not divided" in lines
    assert "  ± mode     MIG on, by a reset of the GPU" in lines


def test_nothing_to_do_is_one_line() -> None:
    plan = GpuPlan(gpu_uuid="GPU-1", gpu_index=0, plan=migration(NOW, NOW))
    assert list(layout_plan_lines("n", plan))[1:] == ["  = keep     3g.40gb at 0, 3g.40gb at 4"]


def made(phase: ChangePhase, *, rolling_back: bool = False, failure: Reason | None = None) -> GpuChange:
    return GpuChange(id="1", before=NOW, wanted=THEN, phase=phase, rolling_back=rolling_back, failure=failure)


@pytest.mark.parametrize(
    ("change", "line", "why"),
    [
        (made(ChangePhase.READY), "has 3g.40gb at 0, 1g.10gb at 4, 1g.10gb at 5", ""),
        (made(ChangePhase.DRAINING), "draining: lets requests finish of who has to go", ""),
        (
            made(ChangePhase.READY, rolling_back=True, failure=Reason("x", "no room", "look")),
            "is as before (3g.40gb at 0, 3g.40gb at 4)",
            "no room — look",
        ),
        (
            replace(
                made(ChangePhase.STUCK, failure=Reason("x", "no room", "a")), why_stuck=Reason("y", "it hangs", "b")
            ),
            "is stuck between two layouts",
            "no room; on the way back: it hangs — b",
        ),
    ],
)
def test_where_a_change_is_and_why(change: GpuChange, line: str, why: str) -> None:
    assert (change_line(change), change_reason(change)) == (line, why)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("n/0",), "which instances?"),
        (("n/0", "three"), "COUNTxPROFILE"),
        (("n/0", "3g.40gb", "--off"), "--off leaves no instances"),
    ],
)
def test_usage_is_refused_before_any_node_is_asked(
    words: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fractions", "apply", *words, "--yes"]) == 64
    assert text in capsys.readouterr().err
