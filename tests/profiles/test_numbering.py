"""Which number a plan gets, and who records it."""

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.desired.standing import Standing
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.revisions.numbering import meaning, numbered


def spec(name: str, model: str = "m") -> InstanceSpec:
    return InstanceSpec(name=name, service=name.split("/")[0], engine="vllm", model=model)


def planned(desired: dict[str, Desired], **wanted: list[InstanceSpec]) -> Plan:
    return numbered(plan_profile("p", wanted, desired), "p", desired)


def applied(desired: dict[str, Desired], plan: Plan, *nodes: str) -> dict[str, Desired]:
    """What the nodes have afterwards, or only some of them."""
    after = dict(desired)
    for edit in plan.nodes:
        if edit.applies and edit.node in (nodes or [edit.node]):
            before = desired[edit.node]
            last = max(edit.applies.number, before.standing["p"].last if "p" in before.standing else 0)
            stands = {**before.standing, "p": replace(edit.applies, nodes=(), last=last)}
            after[edit.node] = Desired(generation=before.generation + 1, instances=edit.instances, standing=stands)
    return after


def revision(plan: Plan) -> Standing:
    (found,) = {edit.applies for edit in plan.nodes if edit.applies}
    return found


EMPTY = {"a": Desired(), "b": Desired(), "c": Desired()}


def test_each_change_of_the_meaning_is_one_more_and_all_its_nodes_record_it() -> None:
    first = planned(EMPTY, a=[spec("x/0")], b=[spec("x/1")])
    assert (first.title, revision(first).number, revision(first).nodes) == ("p r1", 1, ("a", "b"))
    one = applied(EMPTY, first)
    second = planned(one, a=[spec("x/0", "n")], b=[spec("x/1")])
    assert (revision(second).number, [edit.node for edit in second.nodes]) == (2, ["a", "b"])
    kept = {edit.node: edit.instances for edit in second.nodes}["b"]
    assert kept == one["b"].instances, "it is on record, and nothing changes"
    assert {edit.node: edit.instances["x/0"].revision for edit in second.nodes if edit.node == "a"} == {"a": 2}
    two = applied(one, second)
    third = planned(two, c=[spec("x/0")])
    assert revision(third).nodes == ("a", "b", "c"), "those that let go of it know"
    same = planned(two, a=[spec("x/0", "n")], b=[spec("x/1")])
    assert (same.nodes, same.title) == ((), "p r2"), "the same again is no revision"
    assert planned(EMPTY).title == "p", "and nothing at all has no number"


def test_the_same_meaning_keeps_its_number_over_an_edit_by_hand_and_a_part_that_failed() -> None:
    first = planned(EMPTY, a=[spec("x/0")], b=[spec("x/1")])
    partly = applied(EMPTY, first, "a")
    again = planned(partly, a=[spec("x/0")], b=[spec("x/1")])
    assert revision(again).same(revision(first))
    one = applied(EMPTY, first)
    by_hand = DesiredInstance(profile="p", revision=1, spec=spec("x/0", "other"))
    edited = {**one, "a": replace(one["a"], instances={"x/0": by_hand})}
    assert revision(planned(edited, a=[spec("x/0")], b=[spec("x/1")])).same(revision(first))


def test_back_to_what_was_is_a_new_number_of_the_old_meaning() -> None:
    one = applied(EMPTY, first := planned(EMPTY, a=[spec("x/0")]))
    two = applied(one, planned(one, a=[spec("x/0", "n")]))
    back = planned(two, a=[spec("x/0")])
    assert (revision(back).number, revision(back).digest) == (3, revision(first).digest)


def test_nothing_left_is_a_revision_too_and_other_profiles_do_not_count() -> None:
    one = applied(EMPTY, planned(EMPTY, a=[spec("x/0")]))
    other = DesiredInstance(profile="q", revision=1, spec=spec("y/0"))
    beside = {**one, "b": Desired(instances={"y/0": other})}
    gone = planned(beside)
    assert (revision(gone).number, revision(gone).nodes) == (2, ("a",))
    assert meaning("p", {"b": beside["b"].instances}) == revision(gone).digest
