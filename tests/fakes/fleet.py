"""A filled store with figures that add up, and a fleet of one node's interface that applies at once."""

from collections.abc import AsyncIterator, Collection, Sequence

from agents.wire import Delta, Happened, LogPiece, Snapshot
from console.store import NodeState, Store
from engines.base import Histogram, LoadProgress
from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Profile, Wanted
from profiles.desired.standing import Standing
from profiles.latency.burn import Misses
from profiles.latency.objectives import SloRequest
from profiles.money.prices import load as load_prices
from profiles.observed.gpus import GpuErrors
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import (
    EngineReading,
    Event,
    EventKind,
    GpuProcess,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    HostReading,
    InstanceStatus,
    NodeStatus,
    Phase,
    Reason,
    Role,
)  # fmt: skip
from profiles.plans.cordon_plan import Place, plan_cordon
from profiles.plans.down_plan import plan_down
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.verb_plan import Verb, plan_verb
from profiles.revisions.numbering import part

NOW_UNIX_S = 1_790_000_000.0
GPU_MIB = 81_559
SLO = SloRequest(ttft_p95="500ms", errors="0.1%", min_ready=1).slo(2)
BOUNDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed_s

    def wall(self) -> float:
        return NOW_UNIX_S + self.passed_s


def gpu(node: str, index: int, busy: float, *processes: GpuProcess, throttle: tuple[str, ...] = ()) -> GpuReading:
    """A GPU whose memory in use is what its processes hold and what the driver reserves."""
    used = sum(process.memory_mib or 0 for process in processes)
    return GpuReading(
        uuid=f"GPU-{node}-{index}", index=index, name="NVIDIA H100 80GB HBM3", memory_total_mib=GPU_MIB,
        memory_used_mib=used, memory_reserved_mib=614, busy_ratio=busy, power_w=70 + 620 * busy, power_limit_w=700,
        temperature_c=34 + 40 * busy, throttle=throttle, processes=processes, sm_active_ratio=round(0.72 * busy, 3),
        sm_occupancy_ratio=round(0.3 * busy, 3), tensor_ratio=round(0.34 * busy, 3), dram_ratio=round(0.6 * busy, 3),
        switching_ratio=0.0, sm_clock_mhz=1755 if busy else 345, memory_clock_mhz=2619,
        memory_temperature_c=43 + 42 * busy, margin_c=58 - 42 * busy, throttled_ratio=dict.fromkeys(throttle, 0.62),
        errors=GpuErrors(ecc_corrected=0, ecc_uncorrected=0, rows_remapped=0, pcie_replays=0),
    )  # fmt: skip


def histogram(*counts: float) -> Histogram:
    return Histogram(BOUNDS, (*counts, counts[-1]), 0.2 * counts[-1])


def serving(requests: float, queue: float, kv: float, fast: bool = True) -> EngineReading:
    ttft = histogram(3, 60, 94, 98, 100, 100, 100, 100, 100) if fast else histogram(0, 0, 0, 1, 4, 11, 40, 71, 100)
    return EngineReading(
        at_unix_s=NOW_UNIX_S, window_s=60, running=requests * 2, waiting=queue, kv_usage_ratio=kv,
        requests_per_s=requests, failed_per_s=0, prompt_tok_s=requests * 400, generation_tok_s=requests * 150,
        preemptions_per_s=0, finished_per_s={"stop": requests * 0.75, "length": requests * 0.25},
        prefix_cache_hit_ratio=0.31, ttft=ttft, itl=histogram(96, 100, 100, 100, 100, 100, 100, 100, 100),
        e2e=histogram(0, 0, 0, 2, 8, 20, 50, 90, 100), absent={"queue": "this engine has no queue time histogram"},
    )  # fmt: skip


def missed(minute: float, five: float, hour: float) -> dict[str, tuple[Misses, ...]]:
    """TTFT over its target, of 100, 1,000 and 10,000 requests."""
    windows = zip((100.0, 1000.0, 10_000.0), (minute, five, hour), strict=True)
    return {"ttft_p95": tuple(Misses(total, slow, slow) for total, slow in windows)}


def instance(name: str, phase: Phase, node: str, gpus: Sequence[int], **more: object) -> InstanceStatus:
    slices = tuple(Slice(gpu_uuid=f"GPU-{node}-{at}", gpu_index=at) for at in gpus)
    base = InstanceStatus(
        name=name, profile="chat-prod", revision=118, engine="vllm", model="meta-llama/Llama-3.3-70B-Instruct",
        phase=phase, since_unix_s=NOW_UNIX_S - 3 * 86400, slices=slices, port=8000,
        pid=4000 + 10 * len(name) + int(name[-1]),
    )  # fmt: skip
    import msgspec

    return msgspec.structs.replace(base, **more)


def filled(clock: Clock | None = None) -> Store:
    """Three nodes of eight GPUs: one busy, one shared with a stranger and sick, one loading."""
    clock = clock or Clock()
    store = Store(clock.monotonic, clock.wall)
    store.sheet = load_prices(None)
    ours = {
        "fra-1": [
            instance("llama-70b/0", Phase.READY, "fra-1", range(4), reading=serving(12.1, 37, 0.94, fast=False),
                     misses=missed(89, 260, 280)),
            instance("llama-70b/1", Phase.READY, "fra-1", range(4, 8), reading=serving(11.8, 2, 0.61),
                     misses=missed(0, 4, 90)),
        ],
        "fra-2": [
            instance("qwen3-32b/0", Phase.READY, "fra-2", (0, 1), reading=serving(44.2, 0, 0.48),
                     misses=missed(1, 4, 40)),
            instance("qwen3-32b/1", Phase.READY, "fra-2", (2, 3), reading=serving(44.2, 1, 0.47),
                     misses=missed(1, 3, 60)),
            instance("rerank/0", Phase.FAILED, "fra-2", (4,), pid=None, since_unix_s=NOW_UNIX_S - 40, restarts=5,
                     reason=Reason("crash_loop", "5 crashes in 10 min: CUDA out of memory", "see its log: l")),
        ],
        "ams-1": [
            instance("llama-70b/2", Phase.LOADING, "ams-1", range(4), since_unix_s=NOW_UNIX_S - 52,
                     load=LoadProgress(step="loading weights 12/30", ratio=0.4)),
            instance("embed/0", Phase.STOPPED, "ams-1", (5,), pid=None, since_unix_s=NOW_UNIX_S - 7200,
                     wanted=Wanted.STOPPED),
        ],
    }  # fmt: skip
    for node, statuses in ours.items():
        readings = []
        for at in range(8):
            held = [one for one in statuses if one.pid and any(part.gpu_index == at for part in one.slices)]
            tenants = [GpuProcess(pid=one.pid or 0, name="vllm", user="serve", memory_mib=70_000, instance=one.name)
                       for one in held]  # fmt: skip
            if (node, at) == ("fra-2", 5):
                tenants.append(GpuProcess(pid=41822, name="whisper", user="bob", memory_mib=31_900))
            busy = (0.97 if node == "fra-1" else 0.62 if node == "fra-2" else 0.08) if tenants else 0.0
            readings.append(
                gpu(node, at, busy, *tenants, throttle=("power brake",) if (node, at) == ("fra-1", 3) else ())
            )
        _add(store, node, node[:3], readings, statuses)
    for node in ours:
        store.listed(node, _processes(store, node))
    store.receive("fra-2", Happened(events=(
        Event(seq=1, at_unix_s=NOW_UNIX_S - 600, kind=EventKind.DESIRED, text="chat-prod r117 → r118", author="ana",
              code="applied", touches=("qwen3-32b/0", "qwen3-32b/1")),
        Event(seq=2, at_unix_s=NOW_UNIX_S - 90, kind=EventKind.GPU, text="gpu5 + foreign process whisper (bob, 41822)",
              code="foreign_began", gpu="GPU-fra-2-5"),
        Event(seq=3, at_unix_s=NOW_UNIX_S - 40, kind=EventKind.EXIT, text="exit 1: CUDA out of memory",
              instance="rerank/0"),
    )))  # fmt: skip
    for at in range(120):
        store.receive("fra-1", Delta(at_unix_s=NOW_UNIX_S - 119 + at, instances=tuple(
            instance(f"llama-70b/{rank}", Phase.READY, "fra-1", range(4 * rank, 4 * rank + 4),
                     misses=(missed(89, 260, 280), missed(0, 4, 90))[rank],
                     reading=serving((12.1, 11.8)[rank] if at > 110 else 8 + at % 7 / 2, (37, 2)[rank],
                                     (0.94, 0.61)[rank], fast=bool(rank)))
            for rank in range(2))))  # fmt: skip
    store.take_dirty()
    return store


def _processes(store: Store, node: str) -> list[NodeProcess]:
    """Those of the readings, and an orphan on ams-1."""
    gpus: dict[int, list[GpuReading]] = {}
    for reading in store.nodes[node].gpus.values():
        for one in reading.processes:
            gpus.setdefault(one.pid, []).append(reading)
    left = NodeProcess(pid=7007, start_ticks=1, kind=ProcessKind.ORPHAN, name="python", user="serve",
                       instance="embed/0", age_s=7300, command="python -m vllm.worker")  # fmt: skip
    found = [left] if node == "ams-1" else []
    for pid, held in gpus.items():
        one = next(process for process in held[0].processes if process.pid == pid)
        found.append(NodeProcess(
            pid=pid, start_ticks=1, kind=ProcessKind.OURS if one.instance else ProcessKind.FOREIGN, name=one.name,
            user=one.user, instance=one.instance, age_s=3 * 86400 if one.instance else 134,
            gpus=tuple(reading.index for reading in held), memory_mib=len(held) * (one.memory_mib or 0),
            busy_ratio=held[0].busy_ratio, container="" if one.instance else "f00dfeedcafe",
            command=f"/opt/vllm/bin/vllm serve --port 8000 {one.instance}" if one.instance else "python whisper.py",
        ))  # fmt: skip
    return found


def many(nodes: int, gpus: int = 8, clock: Clock | None = None) -> Store:
    """`nodes` × `gpus` of which all are up."""
    store = Store(clock.monotonic, clock.wall) if clock else Store()
    for at in range(nodes):
        name = f"n{at:04}"
        _add(store, name, f"s{at // 250}", [gpu(name, index, ((at * 7 + index * 13) % 100) / 100)
                                           for index in range(gpus)], [])  # fmt: skip
    return store


def _add(store: Store, node: str, site: str, gpus: Sequence[GpuReading], statuses: Sequence[InstanceStatus]) -> None:
    view = store.add_node(node, site)
    view.role, view.way, view.round_trip_s = Role.OPERATOR, "socket", 0.0004
    status = NodeStatus(
        hostname=node, agent_version="0.1.0", boot_id="b", at_unix_s=store.wall(),
        host=HostReading(cores=96, memory_total_mib=1 << 20, cpu_ratio=0.2, agent_cpu_ratio=0.006, agent_memory_mib=41),
        gpu_source=GpuSource(GpuSourceKind.SIMULATED), gpus=tuple(gpus), instances=tuple(statuses),
    )  # fmt: skip
    wanted = {status.name: DesiredInstance(profile=status.profile, revision=status.revision, spec=InstanceSpec(
        name=status.name, service=status.name.split("/")[0], engine=status.engine, model=status.model,
        slices=status.slices, port=status.port, wanted=status.wanted, options={"max_num_seqs": 64}, slo=SLO,
    )) for status in statuses}  # fmt: skip
    here = "" if node == "ams-1" else part(wanted, "chat-prod")  # what was edited by hand is another
    stands = Standing(profile="chat-prod", number=118, digest="d118", author="ana", at_unix_s=store.wall() - 600,
                      last=118, here=here)  # fmt: skip
    desired = Desired(generation=7, instances=wanted, standing={"chat-prod": stands} if wanted else {})
    store.receive(node, Snapshot(status=status, desired=desired))
    store.link(node, NodeState.UP)


class FakeOperations:
    """Plans for real; `apply` records instead of asking a node."""

    def __init__(self, store: Store, refusal: Reason | None = None) -> None:
        self.store, self.refusal = store, refusal
        self.applied: list[tuple[Plan, str]] = []
        self.lines = "".join(f"INFO 14:08:{at % 60:02} engine step {at}\n" for at in range(200))

    def propose(self, verb: Verb, targets: Sequence[tuple[str, str]]) -> Plan:
        return plan_verb(verb, targets, {name: view.desired for name, view in self.store.nodes.items()})

    def propose_profile(self, profile: Profile, text: str = "") -> Plan:
        desired = {name: view.desired for name, view in self.store.nodes.items()}
        return plan_profile(profile.profile, {}, desired, profile.owner)

    def propose_down(self, profile: str, targets: Collection[tuple[str, str]]) -> Plan:
        return plan_down(profile, targets, {name: view.desired for name, view in self.store.nodes.items()})

    def propose_cordon(self, places: Sequence[Place], *, lift: bool = False, reason: str = "") -> Plan:
        desired = {name: view.desired for name, view in self.store.nodes.items()}
        return plan_cordon(places, desired, lift=lift, reason=reason)

    async def apply(self, plan: Plan, reason: str) -> tuple["FakeApplied", ...]:
        self.applied.append((plan, reason))
        return tuple(FakeApplied(edit.node, self.refusal) for edit in plan.nodes)

    async def log(self, node: str, instance: str, *, previous: bool = False, tail_bytes: int = 65536,
                  follow: bool = False) -> AsyncIterator[LogPiece]:  # fmt: skip
        size = len(self.lines)
        yield LogPiece(text=self.lines, offset=0, next_offset=size, incarnation=1)
        yield LogPiece(text="ERROR CUDA out of memory\n", offset=size + 10, next_offset=size + 35, incarnation=1,
                       skipped_bytes=10)  # fmt: skip


class FakeApplied:
    def __init__(self, node: str, reason: Reason | None) -> None:
        self.node, self.reason, self.ok = node, reason, reason is None
