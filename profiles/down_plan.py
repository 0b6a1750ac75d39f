"""The plan that takes a profile, or some of it, off the nodes. Pure."""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from profiles.model import Desired
from profiles.plan import Plan
from profiles.profile_plan import plan_profile


def plan_down(profile: str, targets: Collection[tuple[str, str]], desired: Mapping[str, Desired]) -> Plan:
    """Takes `targets`, (node, instance) pairs, off their nodes and keeps the rest of `profile`."""
    kept = {
        node: [
            owned.spec
            for name, owned in document.instances.items()
            if owned.profile == profile and (node, name) not in targets
        ]
        for node, document in desired.items()
    }
    return replace(plan_profile(profile, kept, desired), title=f"down {profile}")
