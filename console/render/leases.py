"""When the lease of an instance ends, in words."""

from console.store import NodeView, Store
from profiles.desired.lease import LeaseState, in_words, state


def lease_text(store: Store, view: NodeView, instance: str, *, always: bool = False) -> str:
    """`lease ends in 2 d`; "" without one and, unless `always`, while its end is far."""
    owned, now = view.desired.instances.get(instance), store.wall() + view.clock_skew_s
    if owned is None or (not always and state(owned, now) in (None, LeaseState.RUNS)):
        return ""
    return in_words(owned, now)
