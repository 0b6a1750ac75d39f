"""What a plan of a thousand instances on a thousand nodes of eight GPUs takes: places, steps, room.

python -m benchmarks.plan
"""

import statistics
import time
from collections.abc import Mapping

from msgspec.structs import replace

from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Defaults, Desired, PlaceRequest, Profile, Service
from profiles.observed.gpus import MigState
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, HostReading, NodeStatus
from profiles.placing.place import place
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.room import with_room

NODES, SERVICES, RUNS = 1000, 100, 5
BOARDS = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"
REQUESTS = (
    GpuRequest(count=1),
    GpuRequest(count=2),
    GpuRequest(count=4, type="H100"),
    GpuRequest(count=8, type="H100"),
    GpuRequest(memory="12GiB", type="A100"),
    GpuRequest(memory="20GiB"),
    GpuRequest(memory="30GiB"),
    GpuRequest(portion=0.25),
)


def cluster() -> dict[str, NodeStatus]:
    return {
        f"node-{at:04}": NodeStatus(
            hostname=f"node-{at:04}", agent_version="0", boot_id="b", at_unix_s=1.0,
            host=HostReading(cores=64, memory_total_mib=1 << 20), gpu_source=GpuSource(GpuSourceKind.NVML),
            gpus=tuple(
                GpuReading(uuid=f"GPU-{at}-{index}", index=index, name=BOARDS[at % 2], memory_total_mib=81_559,
                           memory_reserved_mib=550, memory_used_mib=600 + (at + index) % 7,
                           mig=MigState(current=False, pending=False))
                for index in range(8)
            ),
        )
        for at in range(NODES)
    }  # fmt: skip


def profile() -> Profile:
    """1,000 instances, of eight kinds of request; every third service is spread over nodes."""
    services = {}
    for at in range(SERVICES):
        spread = PlaceRequest(spread="node" if at % 3 == 0 else None)
        services[f"s{at:02}"] = Service(model="m", replicas=10, gpus=REQUESTS[at % len(REQUESTS)], place=spread)
    return Profile(1, "big", services, defaults=Defaults("vllm"))


def planned(profile: Profile, nodes: Mapping[str, NodeStatus], desired: Mapping[str, Desired]) -> Plan:
    placed = place(profile, nodes, desired)
    assert not placed.unplaceable, placed.unplaceable[0]
    return with_room(plan_profile(profile.profile, placed.specs, desired), desired, nodes)


def main() -> None:
    nodes, wanted = cluster(), profile()
    nothing = {node: Desired() for node in nodes}
    fresh = planned(wanted, nodes, nothing)
    running = nothing | {edit.node: Desired(generation=1, instances=edit.instances) for edit in fresh.nodes}
    options = {name: replace(one, options={"max_num_seqs": 64}) for name, one in wanted.services.items()}
    changed = replace(wanted, services=options)
    cases = (("fresh", wanted, nothing), ("unchanged", wanted, running), ("all changed", changed, running))
    for name, one, desired in cases:
        times_ms = []
        for _ in range(RUNS):
            began = time.perf_counter()
            plan = planned(one, nodes, desired)
            times_ms.append((time.perf_counter() - began) * 1e3)
        print(f"plan 1,000 × 1,000, {name:12} {statistics.median(times_ms):8.1f} ms   {len(plan.steps):5} steps")


if __name__ == "__main__":
    main()
