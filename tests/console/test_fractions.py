"""The fractions screen and list: bars that add up, MIG devices where they lie, and who holds whom."""

import msgspec

from console.app import Yard
from console.cli.lists import LISTINGS
from console.render.fractions import SHARING_COLUMNS, part_rows, sharing_row
from console.render.plan import plan_lines
from console.render.sharing import sharing_lines
from console.render.stack import Layer, stacked
from console.screens.instances import InstancesScreen
from console.screens.session import Session
from console.store import Key, Kind
from engines.devices import Enforcer, Slice
from profiles.observed.status import Phase, Reason
from profiles.plans.plan import Action, Plan, Step
from tests.fakes.fleet import NOW_UNIX_S, FakeOperations
from tests.fakes.sharing import DAEMON, NODE, part, shared_store


def page(index: int, width: int = 100) -> list[str]:
    view = shared_store().nodes[NODE]
    lines = sharing_lines(view, view.gpus[f"GPU-{NODE}-{index}"], width, NOW_UNIX_S)
    return ["".join(text for text, _ in line) for line in lines]


def test_a_bar_has_its_width_and_a_cell_for_the_least() -> None:
    drawn = stacked([Layer("a", 1), Layer("b", 999), Layer("c", 0), Layer("d", 1000)], 20)
    text = "".join(part for part, _ in drawn)
    assert len(text) == 20
    assert (text.count("a"), text.count("c")) == (1, 0)
    assert abs(text.count("b") - text.count("d")) <= 1
    assert "".join(part for part, _ in stacked([], 5)) == " " * 5


def test_an_mps_gpu_names_its_daemon_and_what_it_holds() -> None:
    lines = page(0)
    assert " MPS daemon    ready for 3h00m, pid 4711, _mps-1f3a90bc" in lines
    held = next(line for line in lines if "chat-8b/0" in line)
    assert "40.0 to 48.0 GiB, 60% of SMs" in held
    assert "MPS   3.1 GiB above its request: reclaimable" in held
    assert any("an error of one client ends all on the GPU" in line for line in lines)


def test_a_gpu_by_turns_shows_strangers_and_cooperation() -> None:
    lines = page(1)
    assert any("▒ whisper 41822 (bob)" in line and "nobody: foreign" in line for line in lines)
    assert any("embed/0" in line and "cooperative" in line for line in lines)
    assert any("judge/0" in line and "loading" in line for line in lines)


def test_mig_devices_are_drawn_where_they_lie() -> None:
    drawn = next(line for line in page(2, 120) if line.startswith(" Slots"))
    cells = drawn.split("│")[1:-1]
    assert [cell.split()[0] for cell in cells[:3]] == ["3g.40gb", "1g.10gb", "1g.10gb"]
    assert len(cells) == 5
    assert len(cells[0]) > 3 * len(cells[1])


def test_the_list_has_a_row_for_each_part_and_for_what_is_free() -> None:
    rows = [[cell.text for cell in row] for view, gpu in shared_store().gpus() for row in part_rows(view, gpu)]
    free = [(row[1], row[4]) for row in rows if row[3] == "free"]
    assert free == [("0", "15.1 GiB"), ("1", "35.0 GiB"), ("2", "1g.10gb at 5"), ("4", "78.3 GiB")]
    assert [row[3] for row in rows if row[1] == "2"] == ["rerank/0", "tagger/0", "free"]


def test_a_plan_says_that_mps_keeps_no_faults_apart() -> None:
    def step(held: Slice) -> Step:
        return Step(action=Action.START, node=NODE, instance="a/0", slices=(held,))

    mps = step(part(0, memory_mib=1024, memory_enforcer=Enforcer.MPS))
    told = "      ! faults kept apart: none: an error of one client ends all on the GPU"
    assert told in list(plan_lines(Plan(title="p", steps=(mps,), nodes=())))
    assert not any("faults" in line for line in plan_lines(Plan(title="p", steps=(step(part(0)),), nodes=())))


def test_json_says_of_each_tenant_what_is_kept_apart() -> None:
    items = [one.item() for one in LISTINGS["fractions"].entries(shared_store())]
    first = msgspec.to_builtins(items[0])
    assert first["mode"] == "mps"
    assert first["tenants"][0]["way"] == "mps"
    assert first["tenants"][0]["keeps_apart"]["compute"].startswith("a ceiling")


def test_a_daemon_in_trouble_is_the_state_of_its_gpu() -> None:
    sick = msgspec.structs.replace(
        DAEMON, phase=Phase.LOST, pid=None, reason=Reason("mps_gone", "it is gone", "restart them")
    )
    store = shared_store(sick)
    row = sharing_row(store, Key(Kind.GPU, NODE, f"GPU-{NODE}-0"))
    assert row
    assert len(row.cells) == len(SHARING_COLUMNS)
    assert (row.cells[0].text, row.is_problem) == ("× MPS daemon", True)


async def test_enter_leads_to_the_instances_of_the_node() -> None:
    store = shared_store()
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, InstancesScreen)
        assert app.screen.node == NODE
