"""What `plan` and `apply` are asked for: a profile by name or file, or a plan that was saved."""

import argparse
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from console import profile_files
from console.cli.output import CommandFailed, Exit, say, say_reason
from console.cli.session import NO_ANSWER, Reached, inventory_path
from console.handedits import told
from console.render.text import age
from profiles.desired.model import Profile
from profiles.files.extends import read_profile
from profiles.files.load import parse_profile
from profiles.observed.status import Reason
from profiles.plans.plan import Plan
from profiles.revisions.saved_plan import BadPlan, SavedPlan, moved_on, read
from profiles.text.document import FileError


class Asked(NamedTuple):
    """`reason` is for the record of the nodes; `text` is what the profile was read from."""

    reason: str
    profile: Profile | None = None
    text: str = ""
    saved: SavedPlan | None = None
    expired: bool = False
    """Instead of all of them: what has no lease any more."""


def asked(options: argparse.Namespace) -> Asked:
    """Before anything is reached. Raises CommandFailed."""
    path = getattr(options, "plan", None)
    expired = getattr(options, "expired", None) or None
    given = [one for one in (options.name, options.file, path, expired) if one is not None]
    if len(given) != 1:
        reason = Reason("usage", "one of them is needed: the NAME of a profile, or -f FILE", "see --help")
        raise CommandFailed(Exit.USAGE, reason)
    if expired:
        return Asked("down --expired", expired=True)
    if path is not None:
        saved = _saved(Path(path))
        return Asked(saved.reason, saved=saved)
    file = Path(options.file) if options.file is not None else _named(options)
    try:
        document = read_profile(file)
        return Asked(f"apply {options.file or options.name}", parse_profile(document), document.text)
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(error), error.hint)) from None


async def plan_of(found: Reached, what: Asked) -> Plan:
    """The plan on the cluster as it is now, or the saved one if that still stands. Raises CommandFailed."""
    if what.profile is not None:
        return await told(found.fleet, found.store, found.operations.propose_profile(what.profile, what.text))
    if what.expired:
        return found.operations.propose_expired()
    assert what.saved is not None
    _refuse_stale(found, what.saved)
    say(f"saved {age(found.store.wall() - what.saved.at_unix_s)} ago by {what.saved.by}")
    lost = [view for view in found.lost() if view.name in what.saved.seen]
    blockers = [replace(view.why or NO_ANSWER, code="unreachable", text=f"{view.name}: {(view.why or NO_ANSWER).text}")
                for view in lost]  # fmt: skip
    return replace(what.saved.plan, blockers=(*what.saved.plan.blockers, *blockers))


def _refuse_stale(found: Reached, saved: SavedPlan) -> None:
    if unknown := sorted(saved.seen.keys() - found.store.nodes.keys()):
        text = f"the plan is for {', '.join(unknown)}, which this inventory or choice of nodes has not"
        raise CommandFailed(Exit.USAGE, Reason("other_nodes", text, "use the inventory that it was made with"))
    reasons = moved_on(saved.seen, {view.name: view.desired for view in found.store.nodes.values() if view.counted})
    if reasons:
        *others, last = reasons
        for other in others:
            say_reason(other)
        raise CommandFailed(Exit.STALE, last)


def _named(options: argparse.Namespace) -> Path:
    inventory = inventory_path(options)
    path = profile_files.find(options.name, inventory)
    if path is None:
        known = ", ".join(profile_files.names(inventory)) or "none"
        text = f"no profile {options.name} in {profile_files.directory(inventory)}"
        raise CommandFailed(Exit.USAGE, Reason("not_found", text, f"there: {known}; or name a file with -f"))
    return path


def _saved(path: Path) -> SavedPlan:
    try:
        return read(path.read_bytes())
    except OSError as error:
        reason = Reason(
            "not_read", f"{path} cannot be read: {error.strerror or error}", "name a file that `--out` wrote"
        )
        raise CommandFailed(Exit.USAGE, reason) from None
    except BadPlan as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_plan", f"{path}: {error.message}", error.hint)) from None
