"""A store of one node whose GPUs are shared in every way there is."""

from agents.wire import Snapshot
from console.store import Store
from engines.devices import Enforcer, MigSlot, Slice
from profiles.desired.model import Desired
from profiles.observed.gpus import MigDevice, MigState
from profiles.observed.status import (
    GpuProcess,
    GpuSource,
    GpuSourceKind,
    HostReading,
    InstanceStatus,
    InternalKind,
    InternalStatus,
    NodeStatus,
    Phase,
    Reason,
    Role,
)
from tests.fakes.fleet import GPU_MIB, NOW_UNIX_S, Clock, gpu, instance

NODE = "fra-7"
DAEMON = InternalStatus(
    name="_mps-1f3a90bc", kind=InternalKind.MPS, gpu_uuid=f"GPU-{NODE}-0", phase=Phase.READY, pid=4711,
    since_unix_s=NOW_UNIX_S - 3 * 3600, clients=("chat-8b/0", "draft/0"),
)  # fmt: skip


def part(index: int, **more: object) -> Slice:
    return Slice(**{"gpu_uuid": f"GPU-{NODE}-{index}", "gpu_index": index, **more})  # type: ignore[arg-type]


def tenant(name: str, held: Slice, phase: Phase = Phase.READY, reason: Reason | None = None) -> InstanceStatus:
    return instance(name, phase, NODE, (), slices=(held,), reason=reason)


def holds(one: InstanceStatus, memory_mib: int, mig: str | None = None) -> GpuProcess:
    return GpuProcess(pid=one.pid or 0, name="vllm", user="serve", memory_mib=memory_mib, instance=one.name, mig=mig)


def shared_store(daemon: InternalStatus = DAEMON) -> Store:
    """By MPS, by turns beside a stranger, by MIG, whole, and not at all."""
    mps = {"memory_enforcer": Enforcer.MPS, "compute_enforcer": Enforcer.MPS, "gpu_memory_mib": GPU_MIB}
    flag = {"memory_enforcer": Enforcer.ENGINE_FLAG, "gpu_memory_mib": GPU_MIB}
    mig = {"memory_enforcer": Enforcer.MIG, "compute_enforcer": Enforcer.MIG}
    chat = tenant("chat-8b/0", part(0, memory_mib=40_960, memory_limit_mib=49_152, compute_percent=60, **mps))
    draft = tenant("draft/0", part(0, memory_mib=20_480, compute_percent=30, **mps))
    embed = tenant("embed/0", part(1, memory_mib=12_288, **flag))
    judge = tenant("judge/0", part(1, memory_mib=24_576), Phase.LOADING)
    rerank = tenant("rerank/0", part(2, mig=MigSlot(profile="3g.40gb", start=0, size=4), **mig))
    small = tenant("tagger/0", part(2, mig=MigSlot(profile="1g.10gb", start=4, size=1), **mig))
    whole = tenant("llama-70b/0", part(3))
    devices = tuple(
        MigDevice(uuid=f"MIG-{start}", profile=profile, start=start, size=size, gi_id=start, ci_id=0,
                  memory_total_mib=9_728 * size)
        for profile, start, size in (("3g.40gb", 0, 4), ("1g.10gb", 4, 1), ("1g.10gb", 5, 1))
    )  # fmt: skip
    server = GpuProcess(pid=4712, name="nvidia-cuda-mps", user="serve", memory_mib=70, instance=daemon.name)
    divided = gpu(NODE, 2, 0.44, holds(rerank, 30_700, "MIG-0"), holds(small, 7_100, "MIG-4"))
    import msgspec

    divided = msgspec.structs.replace(
        divided, mig=MigState(current=True, pending=True, resetless=True), mig_devices=devices
    )
    readings = (
        gpu(NODE, 0, 0.81, holds(chat, 44_100), holds(draft, 15_300), server),
        gpu(NODE, 1, 0.93, holds(embed, 11_700), holds(judge, 9_200),
            GpuProcess(pid=41822, name="whisper", user="bob", memory_mib=7_400)),
        divided,
        gpu(NODE, 3, 0.97, holds(whole, 71_000)),
        gpu(NODE, 4, 0.0),
    )  # fmt: skip
    clock = Clock()
    store = Store(clock.monotonic, clock.wall)
    view = store.add_node(NODE, "fra")
    view.role = Role.OPERATOR
    status = NodeStatus(
        hostname=NODE, agent_version="0.1.0", boot_id="b", at_unix_s=NOW_UNIX_S,
        host=HostReading(cores=64, memory_total_mib=512_000), gpu_source=GpuSource(GpuSourceKind.NVML),
        gpus=readings, instances=(chat, draft, embed, judge, rerank, small, whole), internals=(daemon,),
    )  # fmt: skip
    store.receive(NODE, Snapshot(status=status, desired=Desired(generation=3)))
    return store
