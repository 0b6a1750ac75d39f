"""Machines with GPUs as the tests of placement need them."""

from profiles.desired.model import Desired, DesiredInstance
from profiles.observed.gpus import GpuCard, GpuPeer, Nearness
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, NodeStatus
from profiles.placing.place import Placement
from tests.profiles import readings

H100, A100, T4, ORIN = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB", "Tesla T4", "Orin"
SIZES = {H100: readings.TOTAL_MIB, A100: 81_920, T4: 15_360, ORIN: 62_841}


def card(node: str, index: int, of: int) -> GpuCard:
    """Two NUMA nodes with half of the GPUs each, and pairs behind one switch."""

    def between(other: int) -> Nearness:
        if index // 2 == other // 2:
            return Nearness.PIX
        return Nearness.NODE if index * 2 // of == other * 2 // of else Nearness.SYS

    peers = tuple(GpuPeer(f"{node}-{other}", between(other)) for other in range(of) if other != index)
    return GpuCard(uuid=f"{node}-{index}", numa_node=index * 2 // of, peers=peers)


def node(name: str, gpus: int = 8, board: str = H100) -> NodeStatus:
    there = tuple(
        readings.gpu(index, uuid=f"{name}-{index}", name=board, memory_total_mib=SIZES[board], memory_reserved_mib=300)
        for index in range(gpus)
    )
    return NodeStatus(
        hostname=name, agent_version="1", boot_id="b", at_unix_s=0.0, gpus=there,
        gpu_cards=tuple(card(name, index, gpus) for index in range(gpus)),
        host=HostReading(cores=1, memory_total_mib=1), gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    )  # fmt: skip


def cluster(*nodes: NodeStatus) -> dict[str, NodeStatus]:
    return {one.hostname: one for one in nodes}


def applied(placed: Placement, profile: str = "p") -> dict[str, Desired]:
    return {
        where: Desired(instances={spec.name: DesiredInstance(profile=profile, revision=1, spec=spec) for spec in specs})
        for where, specs in placed.specs.items()
    }
