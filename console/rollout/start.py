"""From a plan to the journal of its apply: the order of its waves, and which instances take part."""

from console.author import author
from console.rollout.journal import new_id
from console.store import Store
from profiles.desired.rollout import Rollout
from profiles.observed.status import Phase
from profiles.plans.plan import Plan
from profiles.plans.waves import waves
from profiles.revisions.applyjournal import ApplyJournal, Edit


def journal_of(plan: Plan, reason: str, store: Store) -> ApplyJournal:
    """Of a plan without blockers for a revision of a profile, made on what `store` knows."""
    applies = next(edit.applies for edit in plan.nodes if edit.applies)
    rollout = plan.rollout or Rollout()
    views = {edit.node: store.nodes[edit.node] for edit in plan.nodes}
    before = {node: view.desired.instances for node, view in views.items()}
    after = {edit.node: edit.instances for edit in plan.nodes}
    unready = {
        (node, name) for node, view in views.items() for name, one in view.instances.items()
        if one.phase is not Phase.READY
    }  # fmt: skip
    gpus = {node: tuple(view.gpus.values()) for node, view in views.items()}
    order = waves(before, after, gpus, rollout.max_parallel, unready)
    edits = {
        node: Edit(
            before={name: one for name, one in before[node].items() if after[node].get(name) != one},
            after={name: one for name, one in after[node].items() if before[node].get(name) != one},
        )
        for node in after
    }
    return ApplyJournal(
        id=new_id(),
        profile=applies.profile,
        title=plan.title,
        author=author(),
        reason=reason,
        rollout=rollout,
        waves=order,
        edits=edits,
        nodes=tuple(sorted(after)),
        applies=applies,
        profile_text=next((edit.profile_text for edit in plan.nodes), ""),
    )
