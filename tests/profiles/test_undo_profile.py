"""Taking the revision that stands back: on the nodes that have it, and never over what came since."""

from msgspec.structs import replace

from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.desired.standing import Standing
from profiles.plans.plan import Action
from profiles.revisions.revision import Revision
from profiles.revisions.undo_profile import Taken, plan_undo_profile


def document(profile: str = "p", **models: str) -> dict[str, DesiredInstance]:
    specs = (InstanceSpec(name=f"{name}/0", service=name, engine="vllm", model=model) for name, model in models.items())
    return {spec.name: DesiredInstance(profile=profile, revision=1, spec=spec) for spec in specs}


STANDS = {"p": Standing(profile="p", number=2, digest="d2", last=2)}


def test_each_node_returns_to_what_it_was_and_others_record_it() -> None:
    other = document("q", y="m")
    desired = {
        "a": Desired(generation=5, instances=document(x="new") | other, standing=STANDS),
        "b": Desired(generation=7, instances=document(z="m")),
    }
    taken = {"a": Taken(document(x="old"), document(x="new") | other, "text")}
    plan = plan_undo_profile("p", "undo p", taken, desired)
    assert [(step.action, step.instance) for step in plan.steps] == [(Action.REPLACE, "x/0")]
    a, b = plan.nodes
    assert (a.expected_generation, a.profile_text, a.applies and a.applies.number) == (5, "text", 3)
    assert a.instances["x/0"].spec.model == "old"
    assert a.instances["y/0"] == other["y/0"]
    assert (b.instances, b.applies) == (document(z="m"), a.applies)


def test_what_was_changed_since_is_a_blocker_that_names_who() -> None:
    desired = {"a": Desired(instances=document(x="newer"), standing=STANDS)}
    later = Revision(generation=9, digest="", author="bob", reason="set x")
    plan = plan_undo_profile("p", "undo p", {"a": Taken(document(x="old"), document(x="new"), later=later)}, desired)
    (blocker,) = plan.blockers
    assert (blocker.code, blocker.text) == ("overlap", "x/0 on a was changed again since, last by bob (set x)")
    assert blocker.hint == "`gpuyard rollback p -1` goes back whatever came since"
    first = plan_undo_profile("p", "undo p", {"a": Taken({}, document(x="new"), later=later)}, desired)
    assert first.blockers[0].hint == "`gpuyard down p` takes all of it down, whatever came since"


def test_what_is_as_before_already_says_so() -> None:
    desired = {"a": Desired(instances=document(x="old"), standing=STANDS)}
    plan = plan_undo_profile("p", "undo p", {"a": Taken(document(x="old"), document(x="new"))}, desired)
    assert [blocker.code for blocker in plan.blockers] == ["nothing_to_undo"]


def test_what_it_preempted_comes_back_unless_somebody_changed_it_since() -> None:
    batch = document("q", batch="m", other="m")
    gone = {name: replace(owned, spec=replace(owned.spec, wanted=Wanted.STOPPED), preempted_for="x of p")
            for name, owned in batch.items()}  # fmt: skip
    again = {**gone, "other/0": replace(gone["other/0"], preempted_for="")}
    desired = {"a": Desired(instances=document(x="m") | again, standing=STANDS)}
    plan = plan_undo_profile("p", "undo p", {"a": Taken(batch, document(x="m") | gone)}, desired)
    assert (plan.blockers, {(step.action, step.instance) for step in plan.steps}) == (
        (), {(Action.PRUNE, "x/0"), (Action.START, "batch/0")},
    )  # fmt: skip
    assert plan.nodes[0].instances == {"batch/0": batch["batch/0"], "other/0": again["other/0"]}
