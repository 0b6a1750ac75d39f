"""The plans that go back to what a profile was, on what the store knows."""

from collections.abc import Mapping

from msgspec.structs import replace

from agents.wire import MAX_PROFILE_TEXT_BYTES
from console.seen import desired, labels, statuses, told, unseen
from console.store import Store
from profiles.desired.model import Profile
from profiles.observed.status import Reason
from profiles.placing.place import Placement, place
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.revisions.numbering import Parts, as_they_were, instead, numbered, specs_of
from profiles.revisions.undo_profile import Taken, plan_undo_profile


def plan_back(store: Store, profile: str, parts: Parts, text: str = "", anew: Profile | None = None) -> Plan:
    """Makes the nodes run `parts` of `profile` again; with `anew`, what that has beside them is placed as if new."""
    now = desired(store)
    placed = Placement(specs_of(parts))
    if anew is not None:
        placed = place(anew, statuses(store), instead(now, profile, parts), labels(store))
    owner = next((owned.owner for part in parts.values() for owned in part.values()), "")
    plan = numbered(plan_profile(profile, as_they_were(placed.specs, parts), now, owner), profile, now)
    blockers = [Reason("unplaceable", f"{one.service}: {one.reason}", one.hint) for one in placed.unplaceable]
    kept = text if len(text.encode()) <= MAX_PROFILE_TEXT_BYTES else ""
    edits = tuple(replace(edit, profile_text=kept) for edit in plan.nodes)
    return told(replace(plan, nodes=edits, blockers=(*plan.blockers, *blockers, *unseen(store, profile))), store)


def plan_undone(store: Store, profile: str, title: str, taken: Mapping[str, Taken]) -> Plan:
    """Takes back what the revision of `profile` that stands made of the nodes in `taken`."""
    plan = plan_undo_profile(profile, title, taken, desired(store))
    return told(replace(plan, blockers=plan.blockers + unseen(store, profile)), store)
