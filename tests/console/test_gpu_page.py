"""One GPU in full, and what stands against it in its row."""

import pytest
from msgspec.structs import replace

from agents.wire import Delta, Happened
from console.render.gpu import gpu_lines
from console.render.gpus import GPU_COLUMNS, gpu_row, more_cells
from console.render.gpusigns import signs
from console.render.nodes import NODE_COLUMNS, node_row
from console.render.pulse import problems
from console.render.table import Cell, Tone
from console.store import Key, Kind, Store
from profiles.observed.gpuhealth import judge
from profiles.observed.gpus import GpuCard, GpuErrors, GpuHealth, GpuPeer, MigDevice, MigState, Nearness, Recovery, Xid
from profiles.observed.status import Event, EventKind, GpuProcess, GpuReading, GpuState
from tests.fakes.fleet import NOW_UNIX_S, filled

UUID = "GPU-fra-1-0"
KEY = Key(Kind.GPU, "fra-1", UUID)
FULL = GpuReading(
    uuid=UUID, index=0, name="NVIDIA H100 80GB HBM3", memory_total_mib=81_559, memory_used_mib=70_000,
    memory_reserved_mib=614, busy_ratio=0.94, sm_active_ratio=0.71, sm_occupancy_ratio=0.33, tensor_ratio=0.4,
    dram_ratio=0.6, switching_ratio=0.02, power_w=610, power_limit_w=700, temperature_c=71,
    memory_temperature_c=83, margin_c=16, sm_clock_mhz=1755, memory_clock_mhz=2619, pcie_rx_mib_s=820, pcie_tx_mib_s=12,
    nvlink_rx_mib_s=41_000, nvlink_tx_mib_s=40_800, recovery=Recovery.NONE,
    errors=GpuErrors(ecc_corrected=3, ecc_uncorrected=0, ecc_corrected_ever=9, ecc_uncorrected_ever=1, rows_remapped=1,
                     remap_pending=False, remap_failed=False, pcie_replays=0),
    processes=(GpuProcess(pid=4242, name="python3", user="me", memory_mib=69_000, busy_ratio=0.9, instance="chat/0"),),
)  # fmt: skip
CARD = GpuCard(
    uuid=UUID, driver="580.95.05", architecture="Hopper", compute_capability="9.0", bus="0000:1b:00.0", numa_node=0,
    cpus="0-47", pcie_generation=5, pcie_width=16, nvlinks=18, persistence=False, compute_mode="exclusive_process",
    peers=(GpuPeer("GPU-fra-1-1", Nearness.NODE), GpuPeer("GPU-fra-1-7", Nearness.SYS)),
)  # fmt: skip


def with_gpu(gpu: GpuReading) -> Store:
    store = filled()
    store.receive("fra-1", Delta(at_unix_s=NOW_UNIX_S, gpus=(gpu,), gpu_cards=(CARD,)))
    return store


def page(gpu: GpuReading, width: int = 100) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in gpu_lines(with_gpu(gpu), KEY, width)]


def under(label: str, lines: list[str]) -> str:
    return next(line for line in lines if line.startswith(f" {label}")).removeprefix(f" {label}").strip()


def cell(gpu: GpuReading, column: str) -> Cell:
    row = gpu_row(with_gpu(gpu), KEY)
    assert row is not None
    return row.cells[[one.id for one in GPU_COLUMNS].index(column)]


def judged(gpu: GpuReading, *xids: Xid) -> GpuReading:
    health, reason = judge(gpu, xids)
    return replace(gpu, xids=xids, health=health, health_reason=reason)


def test_a_well_one_says_all_it_knows() -> None:
    lines = page(FULL, 120)
    assert under("State", lines) == "ok"
    assert under("Busy", lines).startswith("94%  ███")
    assert under("SMs active", lines).startswith("71%")
    assert under("Held back", lines) == "by nothing"
    assert under("Memory", lines).endswith("68.4 of 79.6 GiB")
    assert under("Heat", lines) == "71 °C   memory 83 °C   16 °C until it slows down"
    assert under("NVLink", lines) == "in 41,000 MiB/s   out 40,800 MiB/s"
    assert under("Processes", lines).split() == ["4242", "chat/0", "me", "67.4", "GiB", "SM", "90%"]
    errors = "ECC corrected 3 (9 ever), ECC uncorrected 0 (1 ever), rows remapped 1, PCIe replays 0"
    assert under("Errors", lines) == errors
    assert under("Place", lines) == "0000:1b:00.0, NUMA node 0, CPUs 0-47, PCIe 5 ×16, 18 NVLinks"
    assert under("Modes", lines) == "compute mode exclusive process, persistence off"
    assert under("Peers", lines) == "node gpu1; sys gpu7"
    assert not [line for line in lines if "Not told" in line or "XID" in line or "Health" in line]


def test_what_is_not_told_has_its_reason_and_is_no_zero() -> None:
    bare = GpuReading(
        uuid=UUID, index=0, name="NVIDIA T4", memory_total_mib=15_000, memory_used_mib=0, busy_ratio=0.0,
        absent={"sm_active_ratio": "this GPU does not report it", "tensor_ratio": "this GPU does not report it",
                "power_w": "needs more rights"},
    )  # fmt: skip
    lines = page(bare)
    assert under("Busy", lines).startswith("0%")
    assert not [line for line in lines if "SMs active" in line and "Not told" not in line]
    assert under("Power", lines) == "– of – W"
    assert under("Not told", lines) == "SMs active, tensor: this GPU does not report it"
    assert any(line.endswith("power: needs more rights") for line in lines)
    assert cell(bare, "active").text == "n/a"
    assert [one.text for one in more_cells(bare)][:2] == ["n/a", "–"]


def test_an_error_that_drains_it_is_first_everywhere() -> None:
    sick = judged(FULL, Xid(31, NOW_UNIX_S - 7200, 4), Xid(79, NOW_UNIX_S - 60))
    lines = page(sick)
    assert under("State", lines) == "! drain"
    assert under("Health", lines) == "to be drained: XID 79: the GPU has fallen off the bus"
    assert under("XID", lines).startswith("79: the GPU has fallen off the bus, 1m00s ago")
    assert (cell(sick, "state").tone, cell(sick, "signs")) == (Tone.BAD, Cell("XID 79, XID 31 ×4", -2.0, Tone.BAD))
    texts = [text for text, _ in problems(with_gpu(sick))]
    assert "fra-1 gpu0 to be drained: XID 79: the GPU has fallen off the bus" in texts


@pytest.mark.parametrize(
    ("gpu", "text", "tone"),
    [
        (FULL, "", Tone.PLAIN),
        (replace(FULL, xids=(Xid(13, NOW_UNIX_S - 10),)), "XID 13", Tone.WARN),
        (replace(FULL, xids=(Xid(13, NOW_UNIX_S - 9000),)), "XID 13", Tone.DIM),
        (replace(FULL, errors=GpuErrors(ecc_uncorrected=2, remap_pending=True)), "remap pending, ECC 2", Tone.WARN),
        (replace(FULL, errors=GpuErrors(remap_failed=True)), "remap failed", Tone.BAD),
        (replace(FULL, recovery=Recovery.NODE_REBOOT), "wants node reboot", Tone.BAD),
        (replace(FULL, throttle=("sw_power_cap",), throttled_ratio={"sw_power_cap": 1.0}), "", Tone.PLAIN),
        (replace(FULL, throttled_ratio={"sw_thermal": 0.4, "sw_power_cap": 0.9}), "sw thermal 40%", Tone.WARN),
        (replace(FULL, throttled_ratio={"hw_thermal": 0.01}), "", Tone.PLAIN),
        (replace(FULL, mig=MigState(current=True, pending=True)), "MIG, empty", Tone.DIM),
        (replace(FULL, mig=MigState(current=False, pending=True)), "MIG on after a reset", Tone.WARN),
    ],
)
def test_signs(gpu: GpuReading, text: str, tone: Tone) -> None:
    found = signs(gpu, NOW_UNIX_S)
    assert ", ".join(sign for sign, _ in found) == text
    assert (found[0][1] if found else Tone.PLAIN) is tone


def test_mig_devices_with_their_tenants() -> None:
    device = MigDevice(uuid="MIG-1", profile="3g.40gb", start=4, size=4, gi_id=2, ci_id=0, memory_total_mib=40_448,
                       memory_used_mib=1024, sm_active_ratio=0.5)  # fmt: skip
    held = GpuProcess(pid=77, name="whisper", user="bob", memory_mib=1000, mig="MIG-1")
    gpu = replace(FULL, mig=MigState(current=True, pending=True), mig_devices=(device,), processes=(held,))
    lines = page(gpu, 200)
    told = " ".join(under("MIG", lines).split())
    assert told == "3g.40gb slots 4–7 1.0 of 39.5 GiB SMs 50% GI 2 CI 0 MIG-1"
    assert under("Processes", lines).endswith("on 3g.40gb")
    assert signs(gpu, NOW_UNIX_S) == [("MIG 1", Tone.DIM)]


def test_a_lost_one_keeps_its_last_values_with_their_age_and_leaves_the_sums() -> None:
    lost = judged(replace(FULL, state=GpuState.LOST, seen_unix_s=NOW_UNIX_S - 134, absent={"state": "off the bus"}))
    assert lost.health is GpuHealth.LOST
    lines = page(lost)
    assert under("State", lines) == "× lost   all below is as of 2m14s ago"
    assert under("Health", lines) == "lost: off the bus"
    assert under("Busy", lines).startswith("94%")
    at = [one.id for one in NODE_COLUMNS].index("power")
    rows = [node_row(with_gpu(gpu), Key(Kind.NODE, "fra-1")) for gpu in (FULL, lost)]
    whole, less = (row.cells[at].sort for row in rows if row)
    assert isinstance(whole, float)
    assert less == pytest.approx(whole - 610)


def test_its_events_are_here_and_others_are_not() -> None:
    store = with_gpu(FULL)
    events = [Event(seq=at, at_unix_s=NOW_UNIX_S, kind=EventKind.GPU, text=text, gpu=uuid)
              for at, (text, uuid) in enumerate((("gpu0 is lost", UUID), ("gpu1 is lost", "other")), 1)]  # fmt: skip
    store.receive("fra-1", Happened(events=tuple(events)))
    told = ["".join(text for text, _ in line) for line in gpu_lines(store, KEY, 100)]
    assert [line for line in told if "is lost" in line] == [line for line in told if "gpu0 is lost" in line]


def test_nothing_is_wider_than_a_small_terminal_but_what_has_no_break() -> None:
    sick = judged(FULL, Xid(95, NOW_UNIX_S - 60))
    assert max(len(line) for line in page(sick, 80)) <= 80
