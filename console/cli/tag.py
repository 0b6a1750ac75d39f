"""`gpuyard tag`: a name for a revision of a profile, under which its nodes keep it."""

import argparse
import asyncio
from collections.abc import Sequence

from console.back import recorded
from console.cli.applying import check_may_change
from console.cli.outcome import outcome
from console.cli.output import CommandFailed, Exit, say, say_reason
from console.cli.session import Reached, inventory_of, reached
from console.operations import Applied
from console.tagging import tag, untag
from profiles.observed.status import Reason
from profiles.revisions.merged import ProfileRevision, choose, merged


def run(options: argparse.Namespace) -> int:
    check_may_change(options)
    if (options.delete is None) == (options.name is None):
        hint = "`tag PROFILE r118 known-good`, or `tag PROFILE --delete known-good`"
        raise CommandFailed(Exit.USAGE, Reason("usage", "a revision and a name are needed, or --delete", hint))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    profile: str = options.profile
    async with reached(inventory_of(options)) as found:
        kept = await recorded(found.fleet, found.store)
        chosen = choose(profile, merged(kept.records), options.revision or options.delete)
        if isinstance(chosen, Reason):
            raise CommandFailed(max(Exit.FAILED, found.say_lost()), chosen)
        if options.delete is not None:
            answers = await untag(found.fleet, profile, options.delete, kept.records)
            return _told(found, chosen, answers, f"{options.delete} of {profile} is gone")
        answers = await tag(found.fleet, chosen, options.name)
        return _told(found, chosen, answers, f"r{chosen.number} of {profile} is {options.name}")


def _told(found: Reached, chosen: ProfileRevision, answers: Sequence[Applied], done: str) -> int:
    """A node that has a part of the revision and was not asked makes it partly done."""
    codes = []
    for answer in answers:
        if answer.reason is not None:
            say_reason(answer.reason, answer.node)
        codes.append(Exit.DONE if answer.ok else Exit.UNREACHABLE if answer.unreachable else Exit.FAILED)
    for node in chosen.lacking:
        if node in found.store.nodes and not found.store.nodes[node].counted:
            found.say_lost([found.store.nodes[node]])
            codes.append(Exit.UNREACHABLE)
    if Exit.DONE in codes:
        say(f"{done}, on {', '.join(answer.node for answer in answers if answer.ok)}")
    return outcome(codes)
