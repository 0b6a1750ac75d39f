"""Which change is undone, and what the plan of it does and leaves alone."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.desired.standing import Standing
from profiles.observed.status import Reason
from profiles.plans.plan import Action, Plan
from profiles.revisions.revision import Document, Revision, digest
from profiles.revisions.undo import Choice, choose, plan_undo


def owned(name: str, model: str = "m", *, profile: str = "p", **more: object) -> DesiredInstance:
    spec = InstanceSpec(name=name, service=name, engine="vllm", model=model)
    return DesiredInstance(profile=profile, revision=1, spec=replace(spec, **more))


def document(*instances: DesiredInstance) -> dict[str, DesiredInstance]:
    return {one.spec.name: one for one in instances}


def desired(instances: Document, generation: int = 9) -> Desired:
    return Desired(generation=generation, instances=dict(instances), author="bob")


def heads(*generations: int) -> list[Revision]:
    return [Revision(generation=one, digest=str(one), author=f"a{one}") for one in generations]


def actions(plan: Plan) -> dict[str, Action]:
    return {step.instance: step.action for step in plan.steps}


def chosen(found: Choice | Reason) -> tuple[list[int], int, int]:
    assert isinstance(found, Choice), found
    return [head.generation for head in found.undone], found.before, found.after


def code(found: Choice | Reason) -> str:
    assert isinstance(found, Reason), found
    return found.code


def test_the_last_change_unless_told_otherwise() -> None:
    kept = heads(0, 2, 5, 6)
    assert chosen(choose(kept)) == ([6], 5, 6)
    assert chosen(choose(kept, only=5)) == ([5], 2, 5)
    assert chosen(choose(kept, to=2)) == ([6, 5], 2, 6)
    assert chosen(choose(kept, to=4)) == ([6, 5], 2, 6), "generation 4 rewrote what 2 was"


def test_all_waves_of_an_apply_are_one_change_and_each_can_be_named() -> None:
    second, third = (Standing(profile="p", number=number, digest="d" * number) for number in (2, 3))
    applied = (None, second, third, third)
    made = [replace(head, applied=one) for head, one in zip(heads(0, 1, 2, 3), applied, strict=True)]
    assert chosen(choose(made)) == ([3, 2], 1, 3)
    assert chosen(choose(made, only=3)) == ([3], 2, 3)


def test_what_cannot_be_undone_says_why() -> None:
    assert code(choose([])) == code(choose(heads(0))) == "nothing_to_undo"
    assert code(choose(heads(4, 5), to=5)) == code(choose(heads(4, 5), to=99)) == "nothing_to_undo"
    assert code(choose(heads(4, 5), to=3)) == code(choose(heads(4, 5), only=4)) == "gone"
    assert code(choose(heads(4, 6), only=5)) == "not_found"
    only = choose(heads(4))
    assert isinstance(only, Reason)
    assert "older" in only.text


def test_each_kind_of_change_is_taken_back() -> None:
    before = document(owned("gone"), owned("edited"), owned("stopped"), owned("started", wanted=Wanted.STOPPED))
    after = document(
        owned("new"), owned("edited", "n"), owned("stopped", wanted=Wanted.STOPPED), owned("started"), owned("same")
    )
    plan = plan_undo("n", desired(after), before | document(owned("same")), after, "text")
    assert actions(plan) == {
        "new": Action.PRUNE, "gone": Action.START, "edited": Action.REPLACE, "stopped": Action.START,
        "started": Action.STOP,
    }  # fmt: skip
    assert not plan.blockers
    assert plan.nodes[0].expected_generation == 9
    assert plan.nodes[0].profile_text == "text"
    assert digest(plan.nodes[0].instances) == digest(before | document(owned("same")))


def test_a_restart_is_neither_undone_nor_repeated() -> None:
    before, after = document(owned("a")), document(owned("a", "n"))
    now = document(owned("a", "n", restarts_asked=2))
    plan = plan_undo("n", desired(now), before, after)
    assert plan.nodes[0].instances["a"].spec.restarts_asked == 2
    same = plan_undo("n", desired(document(owned("a", restarts_asked=1))), before, document(owned("a")))
    assert [blocker.code for blocker in same.blockers] == ["nothing_to_undo"]


def test_a_later_change_of_the_same_instance_is_an_overlap_and_others_are_left_alone() -> None:
    before, after = document(owned("a", "1"), owned("b")), document(owned("a", "2"), owned("b"))
    elsewhere = document(owned("a", "2"), owned("b", "other"), owned("c"))
    plan = plan_undo("n", desired(elsewhere), before, after)
    assert actions(plan) == {"a": Action.REPLACE}
    assert plan.nodes[0].instances == elsewhere | document(owned("a", "1"))
    for since in (document(owned("a", "3")), document(), document(owned("a", "2", profile="q"))):
        blocked = plan_undo("n", desired(since), before, after)
        assert [blocker.code for blocker in blocked.blockers] == ["overlap"]
        assert not blocked.steps


names = st.sampled_from("abcd")
documents = st.dictionaries(
    names, st.tuples(st.sampled_from("xyz"), st.sampled_from(Wanted), st.sampled_from("pq"))
).map(
    lambda drawn: document(
        *(owned(name, model, wanted=wanted, profile=profile) for name, (model, wanted, profile) in drawn.items())
    )
)


@given(documents, documents)
def test_undoing_twice_returns(before: dict[str, DesiredInstance], after: dict[str, DesiredInstance]) -> None:
    once = plan_undo("n", desired(after), before, after).nodes[0].instances
    assert digest(once) == digest(before)
    assert digest(plan_undo("n", desired(once), after, once).nodes[0].instances) == digest(after)
