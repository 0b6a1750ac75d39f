"""`gpuyard drift`: what differs between a profile, what nodes are asked for, and what runs."""

import argparse
import asyncio
from pathlib import Path

import msgspec

from console.cli.output import CommandFailed, Exit, Format, print_json, say, say_reason
from console.cli.profile import loaded
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.drifting import Drifted, find_drift
from console.render.drift import DRIFT_COLUMNS, drift_cells
from profiles.desired.model import Profile
from profiles.observed.status import Reason
from profiles.revisions.drift import against, lagging


def run(options: argparse.Namespace) -> int:
    """1 where something differs: 2 is of `plan` alone."""
    given = loaded(Path(options.file)) if options.file else None
    return asyncio.run(_run(options, given))


async def _run(options: argparse.Namespace, given: Profile | None) -> int:
    async with reached(inventory_of(options)) as found:
        drifted = _by_file(found, given) if given else await _by_revision(found, options.profile)
        _print(found, drifted, Format(options.output))
        for node, failed in drifted.refused.items():
            say_reason(failed.reason, node)
        code = Exit.FAILED if drifted.drifts or drifted.refused else Exit.DONE
        return max(code, found.say_lost())


async def _by_revision(found: Reached, profile: str | None) -> Drifted:
    known = found.store.profiles()
    if profile is not None and profile not in known:
        reason = Reason("not_found", f"no node knows profile {profile}", f"profiles: {', '.join(known) or 'none'}")
        raise CommandFailed(max(Exit.FAILED, found.say_lost()), reason)
    return await find_drift(found.fleet, found.store, known if profile is None else [profile])


def _by_file(found: Reached, profile: Profile) -> Drifted:
    """Raises CommandFailed where the file cannot be placed."""
    plan = found.operations.propose_profile(profile)
    unplaceable = [blocker for blocker in plan.blockers if blocker.code == "unplaceable"]
    if unplaceable:
        raise CommandFailed(Exit.FAILED, unplaceable[0])
    drifts = against(profile.profile, plan)
    for view in found.store.nodes.values():
        if view.counted:
            drifts += lagging(view.name, profile.profile, view.desired.instances, view.instances.values())
    return Drifted(drifts)


def _print(found: Reached, drifted: Drifted, output: Format) -> None:
    if output is Format.JSON:
        print_json("drift", [msgspec.to_builtins(one) for one in drifted.drifts])
    elif output is Format.NAME:
        for one in drifted.drifts:
            print(f"{one.node}:{one.instance}:{one.key}")
    elif drifted.drifts:
        rows = [drift_cells(one, found.store.nodes[one.node].clock_skew_s) for one in drifted.drifts]
        print_table(DRIFT_COLUMNS, rows, wide=output is Format.WIDE)
    else:
        say("nothing differs")
