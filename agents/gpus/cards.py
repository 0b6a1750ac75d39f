"""What a GPU is and where it sits: asked once, and its modes again now and then."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from agents.gpus import nvml
from profiles.observed.gpus import GpuCard, GpuPeer, Nearness


class _Pci(Protocol):
    busId: str


_driver: Callable[[], str] = nvml.call("nvmlSystemGetDriverVersion")
_pci: Callable[[nvml.Handle], _Pci] = nvml.call("nvmlDeviceGetPciInfo")
_architecture: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetArchitecture")
_compute_capability: Callable[[nvml.Handle], Sequence[int]] = nvml.call("nvmlDeviceGetCudaComputeCapability")
_serial: Callable[[nvml.Handle], str] = nvml.call("nvmlDeviceGetSerial")
_numa_node: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetNumaNodeId")
_pcie_generation: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetMaxPcieLinkGeneration")
_pcie_width: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetMaxPcieLinkWidth")
persistence: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetPersistenceMode")
compute_mode: Callable[[nvml.Handle], int] = nvml.call("nvmlDeviceGetComputeMode")
_ancestor: Callable[[nvml.Handle, nvml.Handle], int] = nvml.call("nvmlDeviceGetTopologyCommonAncestor")

# nvml.h: architectures, compute modes, topology levels.
_ARCHITECTURES = {
    2: "Kepler", 3: "Maxwell", 4: "Pascal", 5: "Volta", 6: "Turing", 7: "Ampere", 8: "Ada", 9: "Hopper",
    10: "Blackwell", 13: "Rubin",
}  # fmt: skip
_COMPUTE_MODES = {0: "default", 1: "exclusive_thread", 2: "prohibited", 3: "exclusive_process"}
_NEARNESS = {
    0: Nearness.BOARD, 10: Nearness.PIX, 20: Nearness.PXB, 30: Nearness.PHB, 40: Nearness.NODE, 50: Nearness.SYS
}  # fmt: skip

SYSFS = Path("/sys/bus/pci/devices")


def read(handle: nvml.Handle, uuid: str, nvlinks: int | None) -> GpuCard:
    """Without its peers. What it does not tell is left open."""
    bus = bus_of(handle)
    capability = nvml.maybe(partial(_compute_capability, handle))
    architecture = nvml.maybe(partial(_architecture, handle))
    card = GpuCard(
        uuid=uuid,
        driver=nvml.maybe(_driver) or "",
        architecture="" if architecture is None else _ARCHITECTURES.get(architecture, f"number {architecture}"),
        compute_capability=".".join(map(str, capability)) if capability else "",
        bus=bus,
        serial=nvml.maybe(partial(_serial, handle)) or "",
        numa_node=_numa(handle, bus),
        cpus=_sysfs(bus, "local_cpulist"),
        pcie_generation=nvml.maybe(partial(_pcie_generation, handle)),
        pcie_width=nvml.maybe(partial(_pcie_width, handle)),
        nvlinks=nvlinks,
    )
    return modes(card, handle)


def modes(card: GpuCard, handle: nvml.Handle) -> GpuCard:
    """With the settings that an admin may have changed since."""
    kept = nvml.maybe(partial(persistence, handle))
    mode = nvml.maybe(partial(compute_mode, handle))
    return replace(
        card,
        persistence=None if kept is None else bool(kept),
        compute_mode="" if mode is None else _COMPUTE_MODES.get(mode, f"number {mode}"),
    )


def bus_of(handle: nvml.Handle) -> str:
    """As sysfs writes it: NVML writes eight digits of the domain, sysfs four."""
    found = nvml.maybe(partial(_pci, handle))
    return str(found.busId)[-12:].lower() if found else ""


def peers(handle: nvml.Handle, others: Mapping[str, nvml.Handle]) -> tuple[GpuPeer, ...]:
    """`others` by UUID."""
    found = []
    for uuid, other in others.items():
        level = nvml.maybe(partial(_ancestor, handle, other))
        if level in _NEARNESS:
            found.append(GpuPeer(uuid, _NEARNESS[level]))
    order = list(Nearness)
    return tuple(sorted(found, key=lambda peer: order.index(peer.nearness)))


def _numa(handle: nvml.Handle, bus: str) -> int | None:
    """Of the GPU's own memory where that is a node (Grace), else of its slot; firmware that does not say writes -1."""
    own = nvml.maybe(partial(_numa_node, handle))
    slot = _sysfs(bus, "numa_node")
    return own if own is not None else int(slot) if slot.isdecimal() else None


def _sysfs(bus: str, file: str) -> str:
    try:
        return (SYSFS / bus / file).read_text().strip() if bus else ""
    except OSError:
        return ""
