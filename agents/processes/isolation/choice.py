"""Which tier this machine allows, the best first. Looked at once, when the agent starts; it may take seconds."""

from pathlib import Path

from msgspec.structs import replace

from agents.processes.isolation import cgroup, system_unit, user_unit
from agents.processes.isolation import tier as seam
from agents.processes.isolation.plain import Plain
from profiles.observed.isolation import Tier

_PROBES = ((Tier.SYSTEM_UNIT, system_unit.probe), (Tier.USER_UNIT, user_unit.probe), (Tier.CGROUP, cgroup.probe))


def choose(state: Path) -> seam.Tier:
    """The best tier for the agent of this state directory; its `isolation` says why it is not a better one."""
    better: dict[str, str] = {}
    for tier, probe in _PROBES:
        found = probe(state)
        if not isinstance(found, str):
            found.isolation = replace(found.isolation, better=better)
            return found
        better[tier] = found
    return Plain(better)
