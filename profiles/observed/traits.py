"""What each way of sharing a GPU keeps apart and who does so, what a change of it disturbs, and what rights it takes.

Data for lists, plans and docs/fractions.md, whose table a test holds to this one. Sources: NVIDIA's MIG user guide
(r580) and MPS guide (r550), and the man page nvidia-cuda-mps-control(1). DRAM bandwidth is partitioned by MIG alone.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from engines.devices import Enforcer, ShareMode, Slice


class Way(StrEnum):
    """How an instance has its part of a GPU."""

    WHOLE = "whole"
    MIG = "mig"
    MPS = "mps"
    ENGINE_FLAG = "engine_flag"
    NONE = "none"


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Each a short phrase: `memory`, `compute` and `faults` say how far tenants are kept apart in it."""

    memory: str
    compute: str
    faults: str
    enforcer: str
    change: str
    """What a change of one tenant's part disturbs."""
    rights: str


_BY_TURNS = "by turns, nobody has a share"

TRAITS: Mapping[Way, Traits] = {
    Way.WHOLE: Traits(
        memory="all of it",
        compute="all of it",
        faults="nobody else is there",
        enforcer="the ledger, which gives it once",
        change="nobody but its own engine, which restarts",
        rights="none",
    ),
    Way.MIG: Traits(
        memory="its own, with its bandwidth and cache",
        compute="SMs of its own",
        faults="kept apart, but for XID 95 and faults of the board",
        enforcer="the hardware",
        change="the instances that are destroyed and nobody else; turning MIG on or off before Hopper, all of the GPU",
        rights="root or read access to mig/config to change it; none to use it",
    ),
    Way.MPS: Traits(
        memory="a limit for each process, bandwidth is shared",
        compute="a ceiling on SMs, not a reservation",
        faults="none: an error of one client ends all on the GPU",
        enforcer="CUDA and the MPS server",
        change="nobody but its own engine, which restarts",
        rights="none: the daemon is of the agent's own user",
    ),
    Way.ENGINE_FLAG: Traits(
        memory="what the engine keeps to by its own option",
        compute=_BY_TURNS,
        faults="none promised",
        enforcer="the engine itself: cooperative",
        change="nobody but its own engine, which restarts",
        rights="none; root to set the length of turns",
    ),
    Way.NONE: Traits(
        memory="what the engine happens to take",
        compute=_BY_TURNS,
        faults="none promised",
        enforcer="nobody: cooperative",
        change="nobody but its own engine, which restarts",
        rights="none; root to set the length of turns",
    ),
}


def way(part: Slice) -> Way:
    match part.share_mode:
        case ShareMode.EXCLUSIVE:
            return Way.WHOLE
        case ShareMode.MIG:
            return Way.MIG
        case ShareMode.MPS:
            return Way.MPS
        case ShareMode.TIMESLICE:
            return Way.ENGINE_FLAG if part.memory_enforcer is Enforcer.ENGINE_FLAG else Way.NONE
