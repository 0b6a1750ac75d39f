"""What is known of one subject, its GPU and its neighbours, on one axis of time."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from profiles.observed.status import Phase

Track = tuple[float | None, ...]
"""A value a step, None where there is none."""


class Axis(msgspec.Struct, frozen=True):
    """`steps` steps of `step_s` from `from_unix_s`."""

    from_unix_s: float
    step_s: float
    steps: int

    def at(self, step: int) -> float:
        return self.from_unix_s + step * self.step_s

    def step(self, at_unix_s: float) -> int:
        """May lie outside."""
        return int((at_unix_s - self.from_unix_s) // self.step_s)


class Happened(StrEnum):
    """What kind of thing an event is, as far as a verdict tells them apart."""

    XID = "xid"
    ECC = "ecc"
    GPU_LOST = "gpu_lost"
    EDIT = "edit"
    RESTART = "restart"
    NODE_LOST = "node_lost"
    NODE_STALE = "node_stale"
    SLOW_LINK = "slow_link"


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One event on the axis; `about` is the instance or the GPU, `by` who did it."""

    at_unix_s: float
    kind: Happened
    text: str
    about: str = ""
    by: str = ""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else on the GPU. `owner` is a user or a team; `busy` all None where nobody tells processes apart.

    Strangers are remembered as one: then `parts` are those of now, each with what it does now.
    """

    name: str
    owner: str
    foreign: bool
    pid: int | None = None
    busy: Track = ()
    memory_mib: Track = ()
    since_unix_s: float | None = None
    orphan: bool = False
    parts: tuple["Tenant", ...] = ()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Tracks are named as profiles.observed.history names them, and `ttft_p95_s`, `itl_p95_s`, `busy_ratio` of the
    subject."""

    subject: str
    axis: Axis
    own: Mapping[str, Track] = {}
    gpu: Mapping[str, Track] = {}
    host: Mapping[str, Track] = {}
    tenants: tuple[Tenant, ...] = ()
    happened: tuple[Happening, ...] = ()
    phases: tuple[Phase | None, ...] = ()
    targets_s: Mapping[str, float] = {}
    """Track → what the service promises of it."""
    bounds_s: Mapping[str, tuple[float, ...]] = {}
    """Track → the bounds of the buckets in which its engine counts: it is told no more precisely."""
    max_running: float | None = None
    """What the engine takes into one batch."""
    throttle: str = ""
    """Why the GPU is held back now, in the driver's words."""
    blind: str = ""
    """Why shares of processes are not known; "" where they are."""
