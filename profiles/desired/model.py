"""What should be: profiles as people write them, and the desired document that a node keeps.

    Profile ──expand, place──► InstanceSpec per replica ──► Desired (one per node, with a generation)

Everything is frozen: an edit is a new value.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from engines.control import launch_options
from engines.devices import Slice
from profiles.desired.gateway import Gateway, GatewayRequest
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.priority import NORMAL, PRIORITIES
from profiles.desired.resources import Limits, ResourceRequest
from profiles.desired.restart import Restart, RestartRequest
from profiles.desired.rollout import RolloutRequest
from profiles.desired.standing import Standing
from profiles.latency.canary import CanaryRequest
from profiles.latency.objectives import Slo, SloRequest
from profiles.text.selector import EVERY, Selector, selector

Options = dict[str, Any]
"""An engine's own options, checked by its adapter (engines.options.options_for)."""


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a secret on the node. A profile never holds its value."""

    secret: str


class PlaceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a service may run. `nodes` chooses them (profiles.text.selector); left out, all. `spread` puts replicas
    on as many of them as there are; left out, each goes where the least room is wasted."""

    nodes: str | None = None
    spread: Literal["node"] | None = None

    def selector(self) -> Selector:
        """Raises BadSelector; files are checked when they are loaded."""
        return EVERY if self.nodes is None else selector(self.nodes)


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model behind one engine, `replicas` times. `gpus` None runs on the CPU."""

    model: str
    engine: str | None = None
    runtime: str | None = None
    """Of the node, by name; left out, the only one that it has of the engine, else the program on its PATH."""
    replicas: int = 1
    gpus: GpuRequest | None = None
    place: PlaceRequest = PlaceRequest()
    port: int | None = None
    options: Options = {}
    env: dict[str, str | SecretRef] = {}
    restart: RestartRequest | None = None
    resources: ResourceRequest = ResourceRequest()
    priority: int | str = NORMAL
    preemptible: bool = False
    """Whether it may be stopped, by a plan, for a more important one of another profile (profiles.plans.preempt)."""
    slo: SloRequest = SloRequest()
    canary: CanaryRequest | None = None
    lease: str | None = None
    """For how long (profiles.desired.lease); left out, for good."""
    served_as: str | None = None
    """The name by which clients ask for it; left out, the model's own."""


class Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every service of the profile has unless it says otherwise; a file's are written into its services when it
    is read (profiles.files.defaults)."""

    engine: str | None = None
    restart: RestartRequest = RestartRequest()
    place: PlaceRequest = PlaceRequest()
    env: dict[str, str | SecretRef] = {}
    resources: ResourceRequest = ResourceRequest()
    priority: int | str = NORMAL
    preemptible: bool = False
    slo: SloRequest = SloRequest()
    canary: CanaryRequest | None = None
    lease: str | None = None


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A YAML document of wanted services. `gpuyard: 1` is the version of this schema."""

    gpuyard: int
    profile: str
    services: dict[str, Service]
    extends: str | None = None
    """A file beside this one; written in before a profile is made of it (profiles.files.extends)."""
    description: str = ""
    owner: str = ""
    defaults: Defaults = Defaults()
    rollout: RolloutRequest = RolloutRequest()
    gateway: dict[str, GatewayRequest] = {}
    """By name, which no service has."""


class Wanted(StrEnum):
    """What an instance should be doing."""

    RUNNING = "running"
    DRAINED = "drained"
    """Its process lives and holds its model, with nothing to do."""
    SLEEPING = "sleeping"
    """Its process lives, with the GPU memory of its model given back; its share stays its own, so that it can wake."""
    STOPPED = "stopped"


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One instance as a node should run it.

    `port` None and `runtime` "" let the node choose. `restarts_asked` counts restarts people asked for: an instance
    started under a smaller count is replaced, which makes "restart" an edit like any other. `drain_s` is how
    long running requests may take before a stop cuts them off: None for the node's own limit, 0 for no wait.
    Who waits for a GPU goes by `priority`.
    """

    name: str
    service: str
    engine: str
    model: str
    slices: tuple[Slice, ...] = ()
    port: int | None = None
    runtime: str = ""
    options: Options = {}
    env: dict[str, str | SecretRef] = {}
    wanted: Wanted = Wanted.RUNNING
    restarts_asked: int = 0
    restart: Restart = Restart()
    limits: Limits = Limits()
    drain_s: float | None = None
    priority: int = PRIORITIES[NORMAL]
    slo: Slo = Slo()
    canary_every_s: float | None = None
    gateway: Gateway | None = None
    """For an instance that is one."""
    served_as: str = ""
    """The name by which clients ask for its model; "" for the model's own."""
    bind: str = ""
    """The address at which a gateway listens beside loopback; "" for none."""
    lease_s: float | None = None
    preemptible: bool = False

    def launch_key(self) -> tuple[object, ...]:
        """Equal for two specs that the same running process satisfies: all else is changed live, as are the options of
        which its adapter says so."""
        return (
            self.engine,
            self.runtime,
            self.model,
            tuple(replace(part, gpu_index=0) for part in self.slices),
            self.port,
            msgspec.json.encode(launch_options(self.engine, self.options), order="deterministic"),
            msgspec.json.encode(self.env, order="deterministic"),
            self.restarts_asked,
            self.limits,
            self.bind,
            self.served_as,
        )

    def attempt(self) -> tuple[object, ...]:
        """What a failure is of: one that is given up stays so until this changes."""
        return (*self.launch_key(), msgspec.json.encode(self.options, order="deterministic"), self.restart)

    def gpus(self) -> tuple[str, ...]:
        """The UUIDs that it holds parts of."""
        return tuple(held.gpu_uuid for held in self.slices)


class DesiredInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance and the revision that wants it. A profile owns its instances: only it prunes them."""

    profile: str
    revision: int
    spec: InstanceSpec
    owner: str = ""
    """Who the profile says it is of."""
    lease_ends_at_unix_s: float | None = None
    """The node sets it, by its own clock."""
    renews_lease: bool = False
    """Only of an edit: its lease begins anew."""
    preempted_for: str = ""
    """Which service of which profile it was stopped for; "" for any other reason."""


class Cordon(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing new is placed on a GPU, or on a whole node (profiles.placing.cordon). `gpu_index` is for display."""

    gpu_index: int | None = None
    reason: str = ""
    author: str = ""
    at_unix_s: float = 0.0


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node should run. `generation` is the node's compare-and-set counter: 0 before the first edit."""

    generation: int = 0
    instances: dict[str, DesiredInstance] = {}
    author: str = ""
    reason: str = ""
    at_unix_s: float = 0.0
    key: str = ""
    """Of the request that set it: sent again, it is answered and not done again."""
    cordons: dict[str, Cordon] = {}
    """By the GPU's UUID; "" is the whole node."""
    standing: dict[str, Standing] = {}
    """The revision of each profile that was applied last, by the profile's name."""
