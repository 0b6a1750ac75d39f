"""Where a console says that a lease ends, and what takes down what has none any more."""

from argparse import Namespace

import pytest
from msgspec.structs import replace

from console.cli.asked import asked, plan_of
from console.cli.items import instance_item
from console.cli.output import CommandFailed, Exit
from console.render.instance import instance_lines
from console.render.instances import instance_row
from console.render.pulse import problems
from console.store import Key, Kind, Store
from profiles.observed.status import Phase
from profiles.plans.plan import Action
from tests.console.peer import instance, snapshot
from tests.console.test_down import reached
from tests.console.test_operations import desired

DAY_S = 86400.0
AT = Key(Kind.INSTANCE, "a", "chat/0")


def leased(left_s: float, now: float) -> Store:
    document = desired("chat/0")
    owned = document.instances["chat/0"]
    owned = replace(owned, spec=replace(owned.spec, lease_s=30 * DAY_S), lease_ends_at_unix_s=now + left_s)
    store = Store(wall=lambda: now)
    store.add_node("a")
    one = instance("chat/0", Phase.READY, since=now)
    store.receive("a", snapshot(one, desired=replace(document, instances={"chat/0": owned})))
    return store


def said(store: Store) -> tuple[list[str], str, list[str]]:
    """On pulse, in the list and on the page."""
    row = instance_row(store, AT)
    assert row is not None
    page = ["".join(text for text, _ in line) for line in instance_lines(store, AT, 100)]
    return [text for text, _ in problems(store)], row.cells[-1].text, [line for line in page if " Lease" in line]


def test_it_is_told_in_its_last_days_and_always_on_the_page() -> None:
    now = snapshot().status.at_unix_s
    found, why, page = said(leased(20 * DAY_S + 5, now))
    assert ([one for one in found if "lease" in one], why) == ([], "")
    assert page[0].endswith("ends in 20 d")
    store = leased(2 * DAY_S + 5, now)
    found, why, page = said(store)
    assert ("chat/0 lease ends in 2 d" in found, why) == (True, "lease ends in 2 d")
    view = store.nodes["a"]
    assert instance_item(view, view.instances["chat/0"])["lease_ends_at_unix_s"] == now + 2 * DAY_S + 5


async def test_what_has_no_lease_any_more_is_taken_down_by_a_plan() -> None:
    document = desired("chat/0", "embed/0")
    over = document.instances["chat/0"]
    over = replace(over, spec=replace(over.spec, lease_s=DAY_S), lease_ends_at_unix_s=0.0)
    found = reached(a=replace(document, instances={**document.instances, "chat/0": over}))
    plan = found.operations.propose_expired()
    assert [(step.action, step.instance) for step in plan.steps] == [(Action.PRUNE, "chat/0")]
    assert not found.operations.propose_expired(["q"]).changes_anything
    assert await plan_of(found, asked(Namespace(name=None, file=None, expired=True))) == plan


def test_a_plan_is_of_a_profile_or_of_what_has_expired() -> None:
    with pytest.raises(CommandFailed) as failed:
        asked(Namespace(name="chat", file=None, expired=True))
    assert failed.value.code is Exit.USAGE
