"""Keeping a plan in a file, for `gpuyard apply --plan`."""

import os
from pathlib import Path

from console.author import author
from console.store import Store
from profiles.plans.plan import Plan
from profiles.revisions.saved_plan import SavedPlan, save, seen


def keep(path: Path, plan: Plan, store: Store, reason: str) -> None:
    """For its owner alone: environments are where people put what they should not. Raises OSError."""
    desired = {view.name: view.desired for view in store.nodes.values()}
    made = SavedPlan(by=author(), at_unix_s=store.wall(), reason=reason, seen=seen(plan, desired), plan=plan)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(save(made))
