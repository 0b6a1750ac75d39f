"""The plan that takes the revision of a profile that stands back, on every node that has it. Pure.

    node with it      ──► as before it      an instance that was changed since is a blocker, never overwritten
    what it preempted ──► as before it      unless somebody has brought it back, or changed it, since
    node without it   ──► as it is          so a revision that came only to some nodes is taken back from those

It is one more revision: undoing it returns.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance
from profiles.observed.status import Reason
from profiles.plans.plan import Plan, Step
from profiles.plans.preempt import preempted_by
from profiles.revisions.numbering import numbered
from profiles.revisions.revision import Document, Revision
from profiles.revisions.undo import plan_undo


class Taken(msgspec.Struct, frozen=True):
    """What the revision made of one node; `later` is the newest change there since, None where there was none."""

    before: Document
    after: Document
    profile_text: str = ""
    """Of what stood before."""
    later: Revision | None = None


def plan_undo_profile(profile: str, title: str, taken: Mapping[str, Taken], desired: Mapping[str, Desired]) -> Plan:
    """`taken` has the nodes where the revision stands."""
    regardless = _regardless(profile, taken)
    steps: list[Step] = []
    plan = Plan(title=title, steps=(), nodes=())
    for node, one in sorted(taken.items()):
        before, after = _of(one.before, profile), _of(one.after, profile)
        gone = _preempted(profile, one, desired[node])
        before |= {name: one.before[name] for name in gone}
        after |= {name: one.after[name] for name in gone}
        part = plan_undo(node, desired[node], before, after, one.profile_text)
        steps += part.steps
        found = [
            _told(blocker, one.later, regardless) for blocker in part.blockers if blocker.code != "nothing_to_undo"
        ]
        plan = replace(plan, nodes=plan.nodes + part.nodes, blockers=(*plan.blockers, *found))
    plan = replace(plan, steps=tuple(steps))
    if not plan.changes_anything and not plan.blockers:
        nothing = Reason("nothing_to_undo", f"{profile} is as it was before", f"see `gpuyard revisions {profile}`")
        return replace(plan, nodes=(), blockers=(nothing,))
    return numbered(plan, profile, desired, title)


def _preempted(profile: str, one: Taken, now: Desired) -> list[str]:
    """Instances of other profiles that it stopped, and that are as it left them."""
    return [
        name for name, owned in one.after.items()
        if preempted_by(owned) == profile and name in one.before and one.before[name] != owned
        and now.instances.get(name) == owned
    ]  # fmt: skip


def _regardless(profile: str, taken: Mapping[str, Taken]) -> str:
    """What goes back whatever came since: a first revision has none before it to go back to."""
    if any(_of(one.before, profile) for one in taken.values()):
        return f"`gpuyard rollback {profile} -1` goes back whatever came since"
    return f"`gpuyard down {profile}` takes all of it down, whatever came since"


def _told(blocker: Reason, later: Revision | None, regardless: str) -> Reason:
    who = f", last by {later.author or 'nobody'} ({later.reason or 'no reason given'})" if later else ""
    return replace(blocker, text=blocker.text + who, hint=regardless)


def _of(document: Document, profile: str) -> dict[str, DesiredInstance]:
    return {name: owned for name, owned in document.items() if owned.profile == profile}
