"""`gpuyard plan`: what `apply` would do, and nothing done. `--out` keeps it for `apply --plan`."""

import argparse
import asyncio
from pathlib import Path

from console.cli.applying import blocked, show
from console.cli.asked import Asked, asked, plan_of
from console.cli.output import CommandFailed, Exit, say
from console.cli.session import Reached, inventory_of, reached
from console.planfile import keep
from console.render.plan import valid_while
from profiles.observed.status import Reason
from profiles.plans.plan import Plan


def run(options: argparse.Namespace) -> int:
    """0 there is nothing to do, 2 there are changes, 1 or 3 something is in the way."""
    return asyncio.run(_run(options, asked(options)))


async def _run(options: argparse.Namespace, what: Asked) -> int:
    async with reached(inventory_of(options)) as found:
        plan = await plan_of(found, what)
        show(found, plan, options)
        if plan.blockers:
            return blocked(found, plan)
        found.say_lost(view for view in found.lost() if view.name not in {edit.node for edit in plan.nodes})
        if not plan.changes_anything:
            say("nothing to do")
            return Exit.DONE
        say(valid_while(plan))
        if options.out:
            _keep(Path(options.out), found, plan, what.reason)
        return Exit.CHANGES


def _keep(path: Path, found: Reached, plan: Plan, reason: str) -> None:
    try:
        keep(path, plan, found.store, reason)
    except OSError as error:
        text = f"{path} cannot be written: {error.strerror or error}"
        raise CommandFailed(Exit.FAILED, Reason("not_written", text, "see its rights and its disk")) from None
    say(f"saved: apply just this with `gpuyard apply --plan {path}`")
