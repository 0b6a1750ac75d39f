"""Leases: when they begin, what is left of them, and what renews them."""

import pytest
from msgspec.structs import replace

from profiles.desired.lease import LeaseState, begun, expired, in_words, state
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.plans.down_plan import plan_expired
from profiles.plans.plan import Action
from profiles.plans.profile_plan import plan_profile
from profiles.plans.renewal import with_renewals
from profiles.plans.verb_plan import Verb, plan_verb
from profiles.revisions.revision import digest

DAY_S = 86400.0
MONTH_S = 30 * DAY_S
SPEC = InstanceSpec(name="chat/0", service="chat", engine="vllm", model="m", lease_s=MONTH_S)


def owned(spec: InstanceSpec = SPEC, **changes: object) -> DesiredInstance:
    return replace(DesiredInstance(profile="p", revision=1, spec=spec), **changes)


def leased(ends: float, spec: InstanceSpec = SPEC) -> Desired:
    return Desired(generation=4, instances={spec.name: owned(spec, lease_ends_at_unix_s=ends)})


@pytest.mark.parametrize(
    ("left_s", "found", "words"),
    [
        (20 * DAY_S, LeaseState.RUNS, "lease ends in 20 d"),
        (3 * DAY_S, LeaseState.ENDS_SOON, "lease ends in 3 d"),
        (36 * 3600.0, LeaseState.ENDS_SOON, "lease ends in 36 h"),
        (90.0, LeaseState.ENDS_SOON, "lease ends in 1 min"),
        (0.0, LeaseState.OVER, "lease over for less than 1 min"),
        (-5 * DAY_S, LeaseState.OVER, "lease over for 5 d"),
    ],
)
def test_what_is_left(left_s: float, found: LeaseState, words: str) -> None:
    one = owned(lease_ends_at_unix_s=1e9 + left_s)
    assert (state(one, 1e9), in_words(one, 1e9)) == (found, words)


def test_without_one_there_is_nothing_to_say() -> None:
    assert (state(owned(replace(SPEC, lease_s=None)), 1e9), in_words(owned(), 1e9)) == (None, "")


def test_a_short_one_is_warned_of_in_its_last_tenth() -> None:
    short = replace(SPEC, lease_s=7200.0)
    assert state(owned(short, lease_ends_at_unix_s=721.0), 0.0) is LeaseState.RUNS
    assert state(owned(short, lease_ends_at_unix_s=720.0), 0.0) is LeaseState.ENDS_SOON


def test_it_begins_by_the_nodes_clock_and_goes_on_through_other_edits() -> None:
    first = begun({"chat/0": owned()}, {}, 100.0)
    assert first["chat/0"].lease_ends_at_unix_s == 100.0 + MONTH_S
    stopped = begun({"chat/0": owned(replace(SPEC, wanted=Wanted.STOPPED))}, first, 500.0)
    assert stopped["chat/0"].lease_ends_at_unix_s == 100.0 + MONTH_S
    longer = begun({"chat/0": owned(replace(SPEC, lease_s=2 * MONTH_S))}, stopped, 700.0)
    assert longer["chat/0"].lease_ends_at_unix_s == 700.0 + 2 * MONTH_S
    renewed = begun({"chat/0": owned(longer["chat/0"].spec, renews_lease=True)}, longer, 900.0)["chat/0"]
    assert (renewed.lease_ends_at_unix_s, renewed.renews_lease) == (900.0 + 2 * MONTH_S, False)
    assert begun({"chat/0": owned(replace(SPEC, lease_s=None))}, longer, 950.0)["chat/0"].lease_ends_at_unix_s is None


def test_applying_what_is_unchanged_extends_nothing_before_its_last_days() -> None:
    desired = {"n": leased(MONTH_S)}
    plan = plan_profile("p", {"n": [SPEC]}, desired)
    assert with_renewals(plan, "p", {"n": [SPEC]}, desired, {"n": 0.0}) == plan
    assert not plan.changes_anything


@pytest.mark.parametrize(("now", "old"), [(28 * DAY_S, "ends in 2 d"), (31 * DAY_S, "over for 24 h")])
def test_applying_renews_what_ends_soon_and_the_plan_says_so(now: float, old: str) -> None:
    desired = {"n": leased(MONTH_S)}
    plan = with_renewals(plan_profile("p", {"n": [SPEC]}, desired), "p", {"n": [SPEC]}, desired, {"n": now})
    (step,) = plan.steps
    assert (step.action, [(one.key, one.old, one.new, one.restarts) for one in step.changes]) == (
        Action.LIVE, [("lease", old, "begins anew", False)],
    )  # fmt: skip
    (edit,) = plan.nodes
    after = begun(edit.instances, desired["n"].instances, now)
    assert after["chat/0"].lease_ends_at_unix_s == now + MONTH_S
    assert (edit.expected_generation, digest(after)) == (4, digest(desired["n"].instances))


def test_a_renewal_goes_with_another_change_of_the_instance() -> None:
    desired, wanted = {"n": leased(MONTH_S)}, {"n": [replace(SPEC, model="m2")]}
    plan = with_renewals(plan_profile("p", wanted, desired), "p", wanted, desired, {"n": 29 * DAY_S})
    (step,) = plan.steps
    assert (step.action, [one.key for one in step.changes]) == (Action.REPLACE, ["model", "lease"])
    assert plan.nodes[0].instances["chat/0"].renews_lease
    assert plan.nodes[0].instances["chat/0"].spec.model == "m2"


def test_what_moves_to_another_node_brings_its_end_along() -> None:
    desired, wanted = {"m": Desired(), "n": leased(MONTH_S)}, {"m": [SPEC]}
    plan = with_renewals(plan_profile("p", wanted, desired), "p", wanted, desired, {"m": 0.0, "n": 0.0})
    (step,) = plan.steps
    assert (step.action, step.from_node) == (Action.MOVE, "n")
    assert begun(plan.nodes[0].instances, {}, 5.0)["chat/0"].lease_ends_at_unix_s == MONTH_S
    late = with_renewals(plan_profile("p", wanted, desired), "p", wanted, desired, {"m": MONTH_S})
    assert begun(late.nodes[0].instances, {}, MONTH_S)["chat/0"].lease_ends_at_unix_s == 2 * MONTH_S


def test_a_verb_renews_nothing() -> None:
    desired = {"n": leased(MONTH_S)}
    (edit,) = plan_verb(Verb.RESTART, [("n", "chat/0")], desired).nodes
    assert begun(edit.instances, desired["n"].instances, 5.0)["chat/0"].lease_ends_at_unix_s == MONTH_S


def test_what_is_over_is_taken_down_by_a_plan_that_leaves_the_rest() -> None:
    other = replace(SPEC, name="embed/0", service="embed")
    document = leased(MONTH_S)
    late = owned(other, profile="q", lease_ends_at_unix_s=2 * MONTH_S)
    desired = {"n": replace(document, instances={**document.instances, "embed/0": late}), "silent": leased(0.0)}
    over = expired(desired, {"n": MONTH_S})
    assert over == {"p": {("n", "chat/0")}}
    plan = plan_expired(over, desired)
    assert [(step.action, step.node, step.instance) for step in plan.steps] == [(Action.PRUNE, "n", "chat/0")]
    assert [(edit.node, list(edit.instances)) for edit in plan.nodes] == [("n", ["embed/0"])]
    assert not plan_expired({}, desired).changes_anything
