"""What is: nodes, GPUs and instances as an agent observes them.

None means unknown and is drawn `–`; what can never be known carries its reason in `absent` and is drawn
`n/a`; zero means zero.
"""

from enum import StrEnum

import msgspec

from engines.base import Histogram, LoadProgress
from engines.devices import MigSlot, Slice, Timeslice
from engines.measured import Taken
from profiles.desired.gateway import GatewayReading
from profiles.desired.model import Wanted
from profiles.latency.burn import Misses
from profiles.latency.canary import CanaryReading
from profiles.observed.finding import Severity
from profiles.observed.gpus import GpuCard, GpuErrors, GpuHealth, MigDevice, MigState, Recovery, Xid
from profiles.observed.isolation import Isolation, NodeIsolation
from profiles.observed.kept import Kept


class Phase(StrEnum):
    """Where an instance is in its life: one list for code, YAML, screens and docs."""

    PENDING = "pending"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    DEGRADED = "degraded"
    STALLED = "stalled"
    SLEEPING = "sleeping"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    FAILED = "failed"
    LOST = "lost"


SERVES = frozenset({Phase.READY, Phase.DEGRADED, Phase.STALLED, Phase.DRAINING})
"""Phases in which an engine has been ready and answers, or should."""

HOLDS = frozenset(Phase) - {Phase.PENDING, Phase.STOPPED, Phase.BACKOFF, Phase.FAILED, Phase.LOST}
"""Phases in which an instance has its GPUs, and pays for them. A launch that failed has nothing."""

PROBLEM = frozenset({Phase.DEGRADED, Phase.STALLED, Phase.BACKOFF, Phase.FAILED, Phase.LOST})
"""Phases that somebody should look at."""


class Role(StrEnum):
    """What a peer may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Reason(msgspec.Struct, frozen=True):
    """Why something is as it is: a code for programs, a sentence for people, and what to do next."""

    code: str
    text: str
    hint: str = ""


class HostReading(msgspec.Struct, frozen=True, kw_only=True):
    """The machine itself. `cpu_ratio` is of all cores."""

    cores: int
    memory_total_mib: int
    cpu_ratio: float | None = None
    memory_used_mib: int | None = None
    load_1m: float | None = None
    agent_cpu_ratio: float | None = None
    """The agent with its GPU reader, of one core."""
    agent_memory_mib: float | None = None


class GpuState(StrEnum):
    OK = "ok"
    STALE = "stale"
    LOST = "lost"


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a GPU; `instance` None means foreign to gpuyard."""

    pid: int
    name: str = ""
    user: str = ""
    memory_mib: int | None = None
    busy_ratio: float | None = None
    instance: str | None = None
    mig: str | None = None
    """The UUID of the MIG device it runs on."""


class GpuClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent of another user on the machine gives of a GPU; `memory_mib` None is all of it."""

    user: str
    instance: str
    memory_mib: int | None = None
    mig: MigSlot | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU at one moment. memory_total = reserved + used + free.

    `busy_ratio` is the share of time in which any kernel ran (NVML utilization); `sm_active_ratio` says how much of
    the GPU they had (GPM, Hopper and later), `tensor_ratio` and `dram_ratio` of what its tensor cores and its memory
    can do, `switching_ratio` how long it was between two processes. All of them are of the last second.
    """

    uuid: str
    index: int
    name: str
    memory_total_mib: int | None = None
    memory_used_mib: int | None = None
    memory_reserved_mib: int | None = None
    busy_ratio: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    energy_mj: int | None = None
    throttle: tuple[str, ...] = ()
    """What holds its clocks back at this moment; `throttled_ratio` is for how much of the last second."""
    throttled_ratio: dict[str, float] = {}
    sm_active_ratio: float | None = None
    sm_occupancy_ratio: float | None = None
    tensor_ratio: float | None = None
    dram_ratio: float | None = None
    switching_ratio: float | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    memory_temperature_c: float | None = None
    margin_c: float | None = None
    """Until it slows down for its heat."""
    pcie_rx_mib_s: float | None = None
    pcie_tx_mib_s: float | None = None
    nvlink_rx_mib_s: float | None = None
    nvlink_tx_mib_s: float | None = None
    """Over all its links."""
    errors: GpuErrors | None = None
    recovery: Recovery | None = None
    xids: tuple[Xid, ...] = ()
    """Since its last reset, by number."""
    timeslice: Timeslice | None = None
    """What gpuyard set, while the driver has it."""
    processes: tuple[GpuProcess, ...] = ()
    state: GpuState = GpuState.OK
    seen_unix_s: float | None = None
    """When a GPU that is not `ok` was read last: its other figures are of then."""
    absent: dict[str, str] = {}
    claims: tuple[GpuClaim, ...] = ()
    """Not for us, whoever computes on it now."""
    mig: MigState | None = None
    """None on a GPU that knows no MIG."""
    mig_devices: tuple[MigDevice, ...] = ()
    """In the order of their placement."""
    health: GpuHealth = GpuHealth.OK
    health_reason: Reason | None = None
    """Why it is not `ok`, and what to do."""


class GpuSourceKind(StrEnum):
    NVML = "nvml"
    SIMULATED = "simulated"
    NONE = "none"


class GpuSource(msgspec.Struct, frozen=True):
    """Where GPU readings come from; `note` says in a sentence why there are none, or what is odd."""

    kind: GpuSourceKind
    note: str = ""


class EngineReading(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine did lately, from the difference of two scrapes at most `window_s` apart.

    Histograms hold only the observations of the window, so replicas are merged by adding buckets.
    """

    at_unix_s: float
    window_s: float = 0.0
    running: float | None = None
    waiting: float | None = None
    kv_usage_ratio: float | None = None
    requests_per_s: float | None = None
    failed_per_s: float | None = None
    prompt_tok_s: float | None = None
    generation_tok_s: float | None = None
    preemptions_per_s: float | None = None
    finished_per_s: dict[str, float] = {}
    """By why they ended, in the engine's words."""
    prefix_cache_hit_ratio: float | None = None
    ttft: Histogram | None = None
    itl: Histogram | None = None
    e2e: Histogram | None = None
    queue: Histogram | None = None
    absent: dict[str, str] = {}
    """Field → why this engine never says it."""


class InstanceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as its node sees it. `since_unix_s` is when `phase` began."""

    name: str
    profile: str
    revision: int
    engine: str
    model: str
    phase: Phase
    since_unix_s: float
    wanted: Wanted = Wanted.RUNNING
    reason: Reason | None = None
    slices: tuple[Slice, ...] = ()
    port: int | None = None
    pid: int | None = None
    restarts: int = 0
    load: LoadProgress | None = None
    reading: EngineReading | None = None
    isolation: Isolation | None = None
    """What it was started with; None from an agent that does not say."""
    canary: CanaryReading | None = None
    misses: dict[str, tuple[Misses, ...]] = {}
    """Of each objective that it has (profiles.latency.objectives), in each of profiles.latency.burn.WINDOWS_S."""
    gateway: GatewayReading | None = None
    """Of one that is a gateway, once it was looked at."""
    load_s: float | None = None
    """What the last load of its model on such GPUs took on this node, start to ready; None before the first."""
    runtime: str = ""
    """What it runs from; "" is a program on the PATH, or one that its options name."""
    version: str = ""
    """Of its engine, as the runtime said; "" is unknown."""
    memory: Taken | None = None
    """What it said of its memory while it loaded."""


class InternalKind(StrEnum):
    MPS = "mps"
    """NVIDIA's Multi-Process Service on one GPU."""


class InternalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A process that the agent runs for its instances and that is none: no profile owns it, so none prunes it.

    `reason` says what is wrong, None where nothing is; `clients` are the instances that need it.
    """

    name: str
    kind: InternalKind
    gpu_uuid: str
    phase: Phase
    since_unix_s: float
    pid: int | None = None
    reason: Reason | None = None
    clients: tuple[str, ...] = ()


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything observed on one node."""

    hostname: str
    agent_version: str
    boot_id: str
    at_unix_s: float
    host: HostReading
    gpu_source: GpuSource
    gpus: tuple[GpuReading, ...] = ()
    gpu_cards: tuple[GpuCard, ...] = ()
    instances: tuple[InstanceStatus, ...] = ()
    troubles: tuple[Reason, ...] = ()
    """What is wrong with the node itself."""
    internals: tuple[InternalStatus, ...] = ()
    isolation: NodeIsolation | None = None
    """How engines are kept apart; None from an agent that does not say."""
    kept: Kept | None = None
    """Who keeps the agent running; None where that is not known."""
    bind: str = ""
    """The address at which its admin lets gateways listen for other machines; "" for none."""


class EventKind(StrEnum):
    AGENT = "agent"
    DESIRED = "desired"
    PHASE = "phase"
    EXIT = "exit"
    GPU = "gpu"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened on a node. `seq` grows by one; a gap means that events were missed."""

    seq: int
    at_unix_s: float
    kind: EventKind
    text: str
    instance: str | None = None
    author: str = ""
    code: str = ""
    gpu: str | None = None
    """The uuid of the GPU that it is about."""
    severity: Severity | None = None
    """Where it says by itself how bad it is."""
    touches: tuple[str, ...] = ()
    """The instances that an edit changed."""
