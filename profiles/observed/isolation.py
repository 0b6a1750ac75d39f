"""How a node keeps its engines apart, and which of an instance's limits that holds.

    NodeIsolation (one per node) + Limits (one per instance) ──agreement──► Isolation: held by what, or not and why

A limit that a node cannot hold is never dropped in silence: it is named wherever the instance is shown.
"""

from enum import StrEnum

import msgspec

from profiles.desired.resources import Limits


class Tier(StrEnum):
    """What stands around an engine's processes, the best first."""

    SYSTEM_UNIT = "system_unit"
    USER_UNIT = "user_unit"
    CGROUP = "cgroup"
    PLAIN = "plain"


class NodeIsolation(msgspec.Struct, frozen=True, kw_only=True):
    """What a node can do; chosen once, when its agent starts."""

    tier: Tier
    better: dict[str, str] = {}
    """Each better tier → why it is not this one."""
    holds: dict[str, str] = {}
    """Limit → what holds it."""
    absent: dict[str, str] = {}
    """Limit → why this node cannot hold it."""


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance was started with."""

    tier: Tier
    enforced: dict[str, str] = {}
    """Limit → what holds it."""
    not_enforced: dict[str, str] = {}
    """Limit → why nothing does."""


def agreement(limits: Limits, node: NodeIsolation) -> Isolation:
    """What of `limits` the node holds."""
    enforced = {name: node.holds[name] for name in limits.named() if name in node.holds}
    left = {name: node.absent.get(name, "this node cannot") for name in limits.named() if name not in enforced}
    return Isolation(tier=node.tier, enforced=enforced, not_enforced=left)
