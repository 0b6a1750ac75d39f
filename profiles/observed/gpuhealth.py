"""Whether anything new may be placed on a GPU, from all its signs. Pure.

lost ─► stalled ─► XIDs since its last reset ─► what its driver asks for ─► remapped rows ─► ok      first that holds
"""

from collections.abc import Mapping, Sequence

from profiles.observed.gpus import GpuHealth, Recovery, Xid
from profiles.observed.status import GpuReading, GpuState, Reason
from profiles.observed.xids import meaning

SAID: Mapping[GpuHealth, str] = {
    GpuHealth.OK: "ok", GpuHealth.DEGRADED: "degraded", GpuHealth.DRAIN: "to be drained", GpuHealth.LOST: "lost",
    GpuHealth.STALLED: "not readable",
}  # fmt: skip
"""After `GPU 3 is`."""

_RECOVERIES: Mapping[Recovery, tuple[GpuHealth, str, str]] = {
    Recovery.GPU_RESET: (GpuHealth.DRAIN, "a reset of the GPU",
                         "nvidia-smi --gpu-reset as root, with no process on it"),
    Recovery.DRAIN_AND_RESET: (GpuHealth.DRAIN, "a reset once nothing runs on it",
                               "drain it, then nvidia-smi --gpu-reset as root"),
    Recovery.BUS_RESET: (GpuHealth.DRAIN, "a reset of its bus", "drain it, then reset or reboot"),
    Recovery.NODE_REBOOT: (GpuHealth.DRAIN, "a reboot of the node", "drain the node, then reboot it"),
    Recovery.SYSTEM_REBOOT: (GpuHealth.DRAIN, "a reboot of the whole system", "drain the system, then reboot it"),
    Recovery.DRAIN_P2P: (GpuHealth.DEGRADED, "an end of peer-to-peer traffic",
                         "stop what spans several GPUs, and reset them"),
    Recovery.IMEX_DOMAIN: (GpuHealth.DEGRADED, "a restart of its IMEX domain", "restart nvidia-imex on its nodes"),
}  # fmt: skip


def judge(gpu: GpuReading, xids: Sequence[Xid], *, stalled: bool = False) -> tuple[GpuHealth, Reason | None]:
    """`xids` are those since its last reset; `stalled` is whether the driver answers nothing at all."""
    if gpu.state is GpuState.LOST:
        text = gpu.absent.get("state", "the GPU is lost")
        return GpuHealth.LOST, Reason("gpu_lost", text, "power-cycle the node; if it repeats: seating, power, heat")
    if stalled:
        text = "the driver does not answer"
        return GpuHealth.STALLED, Reason("gpu_stalled", text, "see dmesg on the node; a reboot may be needed")
    for xid in sorted(xids, key=lambda one: one.at_unix_s, reverse=True):
        found = meaning(xid.number)
        if found.stops_placing:
            return GpuHealth.DRAIN, Reason("xid", f"XID {xid.number}: {found.text}", found.advice)
    asked = _RECOVERIES.get(gpu.recovery) if gpu.recovery is not None else None
    if asked is not None:
        health, wants, hint = asked
        return health, Reason("recovery_action", f"the driver asks for {wants}", hint)
    if gpu.errors is not None and gpu.errors.remap_failed:
        text = "its memory has no spare row left for one that failed"
        return GpuHealth.DRAIN, Reason("remap_failed", text, "have the GPU replaced")
    if gpu.errors is not None and gpu.errors.remap_pending:
        text = "a row of its memory is replaced at the next reset"
        return GpuHealth.DEGRADED, Reason("remap_pending", text, "drain it and reset it; what runs goes on safely")
    return GpuHealth.OK, None
