"""Profiles: the revision that stands, how much of it serves, whose it is, what it costs, as one row."""

import msgspec

from console.drifting import is_edited
from console.render.money import money_cell
from console.render.table import Cell, Column, Row, Tone
from console.render.text import UNKNOWN, age, plural
from console.spending import of_instance
from console.store import Key, NodeView, Store
from profiles.desired.model import DesiredInstance, Wanted
from profiles.desired.standing import Standing
from profiles.observed.status import InstanceStatus, Phase

PROFILE_COLUMNS = (
    Column("profile", "Profile", 14, priority=1, names=True),
    Column("revision", "Rev", 6, priority=1),
    Column("ready", "Ready", 5, right=True, priority=1),
    Column("drift", "Drift", 10, priority=1),
    Column("owner", "Owner", 10, priority=3),
    Column("age", "Age", 6, right=True, priority=2, is_time=True, ages=True),
    Column("author", "By", 8, priority=2),
    Column("cost", "$/h", 7, right=True, priority=2),
    Column("services", "Services", 12, priority=4, grow=True),
    Column("nodes", "Nodes", 16, priority=3, grow=True),
)


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    """A profile on the nodes that answer. `numbers` are of the revisions that stand, the newest first: where it runs,
    or of one that is down the last."""

    name: str
    numbers: tuple[int, ...]
    wanted: int
    ready: int
    services: tuple[str, ...]
    nodes: tuple[str, ...]
    owner: str = ""
    author: str = ""
    """Of the newest revision."""
    age_s: float | None = None
    edited_on: tuple[str, ...] = ()
    """Nodes where something of it was changed by hand since."""
    microusd_h: int | None = None


def profile_view(store: Store, name: str) -> ProfileView:
    views = [view for view in store.nodes.values() if view.counted]
    ours = [(view, owned, view.instances.get(instance)) for view in views
            for instance, owned in view.desired.instances.items() if owned.profile == name]  # fmt: skip
    here = {view.name for view, _, _ in ours}
    standing = [(view, one) for view in views if (one := view.desired.standing.get(name))]
    alive = [(view, one) for view, one in standing if view.name in here]
    newest = max(alive or standing, key=lambda pair: pair[1].number, default=None)
    costs = [of_instance(store.sheet, view, status) for view, _, status in ours if status]
    known = [cost for cost in costs if cost is not None]
    return ProfileView(
        name=name,
        numbers=tuple(sorted({one.number for _, one in alive or ([newest] if newest else [])}, reverse=True)),
        wanted=sum(owned.spec.wanted is Wanted.RUNNING for _, owned, _ in ours),
        ready=sum(_serves(owned, status) for _, owned, status in ours),
        services=tuple(sorted({owned.spec.service for _, owned, _ in ours})),
        nodes=tuple(sorted(here)),
        owner=next((owned.owner for _, owned, _ in ours if owned.owner), ""),
        author=newest[1].author if newest else "",
        age_s=_age_s(store, *newest) if newest else None,
        edited_on=tuple(sorted(view.name for view in views if is_edited(view, name))),
        microusd_h=sum(known) if known else None,
    )


def profile_row(store: Store, key: Key) -> Row | None:
    """`key` names a profile."""
    view = profile_view(store, key.name)
    return Row(key, tuple(profile_cells(view)), dim=not view.services)


def profile_cells(view: ProfileView) -> list[Cell]:
    ready = f"{view.ready}/{view.wanted}" if view.services else "down"
    numbers = " ".join(f"r{number}" for number in view.numbers)
    return [
        Cell(view.name, view.name),
        Cell(numbers or UNKNOWN, max(view.numbers, default=None), Tone.WARN if len(view.numbers) > 1 else Tone.PLAIN),
        Cell(ready, view.ready, Tone.WARN if view.ready < view.wanted else Tone.PLAIN),
        drift_cell(view),
        Cell(view.owner or UNKNOWN, view.owner),
        Cell(age(view.age_s), view.age_s),
        Cell(view.author or UNKNOWN, view.author),
        money_cell(view.microusd_h),
        Cell(", ".join(view.services), ", ".join(view.services), Tone.DIM),
        Cell(", ".join(view.nodes), ", ".join(view.nodes), Tone.DIM),
    ]


def drift_cell(view: ProfileView) -> Cell:
    """What is known without asking: edits by hand, and nodes that are at another revision."""
    if len(view.numbers) > 1:
        return Cell("! partly", 2.0, Tone.WARN)
    if view.edited_on:
        return Cell(f"! {plural(len(view.edited_on), 'node')}", 1.0, Tone.WARN)
    return Cell("" if view.numbers else UNKNOWN, 0.0)


def _serves(owned: DesiredInstance, status: InstanceStatus | None) -> bool:
    return owned.spec.wanted is Wanted.RUNNING and status is not None and status.phase is Phase.READY


def _age_s(store: Store, view: NodeView, stands: Standing) -> float | None:
    at_unix_s = stands.at_unix_s
    return store.wall() - (at_unix_s - view.clock_skew_s) if at_unix_s else None
