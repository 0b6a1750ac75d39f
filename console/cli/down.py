"""`gpuyard down`: take a profile, a part of it, or what has no lease any more, off every node: plan, show it, ask,
apply, wait."""

import argparse
import asyncio
from collections.abc import Sequence

from console.cli.applying import carry_through, check_may_change
from console.cli.names import find_instances
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit
from console.cli.session import Reached, inventory_of, reached
from console.naming import Target
from profiles.observed.status import Reason


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    if options.expired and options.names:
        raise CommandFailed(Exit.USAGE, Reason("usage", "--expired chooses the instances by itself", "name none"))
    if not (options.expired or options.profile):
        raise CommandFailed(Exit.USAGE, Reason("usage", "which profile?", "`gpuyard down PROFILE`, or `--expired`"))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    profile: str = options.profile
    names: list[str] = options.names
    said = " ".join(["down", *(["--expired"] if options.expired else []), *([profile] if profile else []), *names])
    async with reached(inventory_of(options)) as found:
        if options.expired:
            plan = found.operations.propose_expired([profile] if profile else ())
        else:
            plan = found.operations.propose_down(profile, _targets(found, profile, names))
        code = await carry_through(found, plan, said, options, hold=True)
        # A node that does not answer may still run some of it.
        return outcome([Exit(code), Exit.UNREACHABLE]) if found.lost() and not names else code


def _targets(found: Reached, profile: str, names: Sequence[str]) -> set[Target]:
    """Of `profile` what is named, all of it without a name. Raises CommandFailed."""
    owners = {
        (view.name, instance): owned.profile
        for view in found.store.nodes.values()
        if view.counted
        for instance, owned in view.desired.instances.items()
    }
    ours = {target for target, owner in owners.items() if owner == profile}
    if not ours:
        known = ", ".join(sorted(set(owners.values()))) or "none"
        reason = Reason(
            "not_found", f"no instance of profile {profile} on the nodes that answered", f"profiles: {known}"
        )
        raise CommandFailed(max(Exit.FAILED, found.say_lost()), reason)
    chosen = set(find_instances(found, names)) if names else ours
    for node, instance in sorted(chosen - ours):
        owner = owners.get((node, instance))
        text = f"{instance} on {node} is of profile {owner}" if owner else f"{instance} on {node} is already taken down"
        raise CommandFailed(Exit.FAILED, Reason("owned", text, "leave it out"))
    return chosen
