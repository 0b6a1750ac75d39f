"""Parts of GPUs in words: how much, and who holds an instance to it."""

from console.render.text import gib
from engines.devices import Enforcer, Slice

_HELD = {
    Enforcer.MIG: "held by MIG",
    Enforcer.CGROUP: "held by the driver",
    Enforcer.MPS: "held by MPS",
    Enforcer.ENGINE_FLAG: "cooperative: the engine's own option",
    Enforcer.NONE: "cooperative: nobody holds it",
}


def amount(part: Slice) -> str:
    """`12.0 GiB`, `12.0 to 16.0 GiB, 30% of SMs`, `1g.10gb`; "" is all of it."""
    if part.mig is not None:
        return part.mig.profile
    if part.memory_mib is None:
        return ""
    limit = "" if part.memory_limit_mib is None else f" to {gib(part.memory_limit_mib)}"
    compute = "" if part.compute_percent is None else f", {part.compute_percent}% of SMs"
    return f"{gib(part.memory_mib)}{limit} GiB{compute}"


def enforcement(part: Slice) -> str:
    """Who holds it, as it is: a part that nobody holds is never shown as one that somebody does."""
    return _HELD[part.memory_enforcer]
