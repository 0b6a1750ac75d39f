"""`apply --resume`: go on with an apply that some console left, or go back, from what its nodes keep of it."""

import argparse
import asyncio

from console.cli.output import CommandFailed, Exit, ask, is_interactive, say, say_reason
from console.cli.rolling import follow
from console.cli.session import Reached, inventory_of, reached
from console.holding import NotHeld, held
from console.rollout import journal as journals
from console.rollout.rolling import Rolling
from profiles.observed.status import Reason
from profiles.revisions.applyjournal import ApplyJournal, ApplyState


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        views = [view.name for view in found.store.nodes.values() if view.counted]
        journal = _chosen(await journals.read(found.fleet, views), options.resume, found)
        back = options.rollback or journal.state is ApplyState.ROLLING_BACK
        here = [node for node in journal.nodes if node in journal.edits]
        missing = sorted(set(journal.nodes) - set(here))
        if missing and not back:
            found.say_lost(view for view in found.lost() if view.name in missing)
            text = f"{', '.join(missing)} takes part, and its part of the apply cannot be read"
            raise CommandFailed(Exit.UNREACHABLE, Reason("unreachable", text, "or --rollback on those that are there"))
        say(journal.text())
        _confirm(back, sure=options.yes)
        purpose = f"{'roll back' if back else 'resume'} {journal.title}"
        try:
            async with held(found.fleet, here, purpose, take_over=options.take_over) as tokens:
                rolling = Rolling(found.fleet, found.store, found.operations, journal, tokens)
                return await follow(found, rolling, back=back)
        except NotHeld as others:
            for one in others.refused:
                if one.reason:
                    say_reason(one.reason, one.node)
            say("nothing was changed")
            return max(Exit.UNREACHABLE if one.unreachable else Exit.FAILED for one in others.refused)


def _chosen(found: list[ApplyJournal], wanted: str, reached: Reached) -> ApplyJournal:
    """Raises CommandFailed unless there is just one that is meant."""
    meant = [one for one in found if wanted in ("", one.id)]
    if len(meant) == 1:
        return meant[0]
    reached.say_lost()
    if meant:
        hint = "; ".join(f"{one.id}: {one.text()}" for one in meant)
        raise CommandFailed(Exit.USAGE, Reason("ambiguous", "several applies are open: say which", hint))
    what = f"no apply {wanted} is open" if wanted else "no apply is open"
    raise CommandFailed(Exit.FAILED, Reason("not_found", f"{what} on the nodes that answer", "see `gpuyard events`"))


def _confirm(back: bool, *, sure: bool) -> None:
    if sure:
        return
    if not is_interactive():
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nobody is here to say yes", "add --yes"))
    if not ask("Roll it back?" if back else "Go on with it?"):
        raise CommandFailed(Exit.FAILED, Reason("unconfirmed", "nothing was changed"))
