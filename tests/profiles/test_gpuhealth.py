import pytest
from msgspec.structs import replace

from profiles.observed.finding import Severity
from profiles.observed.gpuhealth import judge
from profiles.observed.gpus import GpuErrors, GpuHealth, Recovery, Xid
from profiles.observed.status import GpuReading, GpuState
from profiles.observed.xids import Act, meaning

GPU = GpuReading(uuid="GPU-0", index=3, name="H100", recovery=Recovery.NONE, errors=GpuErrors(remap_pending=False))
MILD, RESET, REBOOT = Xid(43, 10.0), Xid(119, 20.0), Xid(79, 30.0)


@pytest.mark.parametrize(
    ("gpu", "xids", "health", "code"),
    [
        (GPU, (), GpuHealth.OK, ""),
        (GPU, (MILD, Xid(31, 5.0, 900), Xid(999, 5.0)), GpuHealth.OK, ""),
        (GPU, (MILD, RESET), GpuHealth.DRAIN, "xid"),
        (replace(GPU, recovery=Recovery.GPU_RESET), (), GpuHealth.DRAIN, "recovery_action"),
        (replace(GPU, recovery=Recovery.DRAIN_P2P), (), GpuHealth.DEGRADED, "recovery_action"),
        (replace(GPU, recovery=None, errors=None), (), GpuHealth.OK, ""),
        (replace(GPU, errors=GpuErrors(remap_pending=True)), (), GpuHealth.DEGRADED, "remap_pending"),
        (replace(GPU, errors=GpuErrors(remap_pending=True, remap_failed=True)), (), GpuHealth.DRAIN, "remap_failed"),
        (replace(GPU, state=GpuState.LOST), (REBOOT,), GpuHealth.LOST, "gpu_lost"),
        (replace(GPU, state=GpuState.STALE), (), GpuHealth.OK, ""),
    ],
)
def test_the_worst_sign_decides(gpu: GpuReading, xids: tuple[Xid, ...], health: GpuHealth, code: str) -> None:
    found, reason = judge(gpu, xids)
    assert (found, reason.code if reason else "") == (health, code)
    assert reason is None or (reason.text and reason.hint)


def test_the_newest_xid_that_matters_is_named() -> None:
    _, reason = judge(GPU, (REBOOT, RESET))
    assert reason is not None
    assert (reason.text, reason.hint) == (
        "XID 79: the GPU has fallen off the bus", "power-cycle the node; if it repeats: seating, power, heat"
    )  # fmt: skip


def test_a_driver_that_does_not_answer_stalls_all_but_the_lost() -> None:
    assert judge(GPU, (RESET,), stalled=True)[0] is GpuHealth.STALLED
    assert judge(replace(GPU, state=GpuState.LOST), (), stalled=True)[0] is GpuHealth.LOST


@pytest.mark.parametrize(
    ("number", "act", "severity"),
    [
        (63, Act.WATCH, Severity.INFO), (13, Act.RESTART, Severity.WARNING), (48, Act.RESET, Severity.PROBLEM),
        (79, Act.REBOOT, Severity.PROBLEM), (54, Act.REPLACE, Severity.PROBLEM), (147, Act.RESET, Severity.PROBLEM),
        (4711, None, Severity.WARNING),
    ],
)  # fmt: skip
def test_what_an_xid_asks_for(number: int, act: Act | None, severity: Severity) -> None:
    found = meaning(number)
    assert (found.act, found.severity) == (act, severity)
    assert found.text
    assert found.advice
