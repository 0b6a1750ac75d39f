"""Plans: what they keep, start, replace and prune, and that applying one gives what was wanted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.desired.resources import Limits
from profiles.desired.restart import Restart
from profiles.latency.objectives import Slo, SloRequest
from profiles.plans.difference import changes
from profiles.plans.plan import Action, Change, Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.verb_plan import Verb, plan_verb

NODES = ("n1", "n2")


def spec(name: str = "a/0", **fields: object) -> InstanceSpec:
    return replace(InstanceSpec(name=name, service=name.split("/")[0], engine="vllm", model="m"), **fields)


def holding(*specs: InstanceSpec, profile: str = "p") -> Desired:
    owned = {found.name: DesiredInstance(profile=profile, revision=1, spec=found) for found in specs}
    return Desired(generation=3, instances=owned)


def applied(plan: Plan, desired: dict[str, Desired]) -> dict[str, Desired]:
    after = dict(desired)
    for edit in plan.nodes:
        assert edit.expected_generation == desired[edit.node].generation
        after[edit.node] = Desired(generation=edit.expected_generation + 1, instances=edit.instances)
    return after


def actions(plan: Plan) -> list[tuple[Action, str]]:
    return [(step.action, step.instance) for step in plan.steps]


def test_start_replace_keep_and_prune() -> None:
    desired = {"n1": holding(spec("keep/0"), spec("new/0"), spec("old/0"))}
    plan = plan_profile("p", {"n1": [spec("keep/0"), spec("new/0", model="m2"), spec("z/0")]}, desired)
    assert sorted(actions(plan)) == [
        (Action.KEEP, "keep/0"), (Action.PRUNE, "old/0"), (Action.REPLACE, "new/0"), (Action.START, "z/0")
    ]  # fmt: skip
    assert next(step for step in plan.steps if step.action is Action.REPLACE).changes == (
        Change("model", "m", "m2", restarts=True),
    )
    assert plan.title == "p r2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (spec(options={"seed": "1"}), spec(options={"seed": 1})),
        (spec(options={}), spec(options={"seed": None})),
        (spec(options={"seed": ""}), spec(options={"seed": None})),
        (spec(slices=(Slice(gpu_uuid="A", gpu_index=0),)), spec(slices=(Slice(gpu_uuid="B", gpu_index=0),))),
        (spec(slices=(Slice(gpu_uuid="A", gpu_index=0),)),
         spec(slices=(Slice(gpu_uuid="A", gpu_index=0, memory_mib=1),))),
    ],
)  # fmt: skip
def test_what_only_looks_the_same_is_replaced(old: InstanceSpec, new: InstanceSpec) -> None:
    plan = plan_profile("p", {"n1": [new]}, {"n1": holding(old)})
    assert actions(plan) == [(Action.MOVE if old.gpus() != new.gpus() else Action.REPLACE, "a/0")]
    assert plan.nodes[0].instances["a/0"].spec == new


def test_a_promise_is_shown_target_by_target_as_people_write_it() -> None:
    before = SloRequest(ttft_p95="800ms", errors="0.1%").slo(1)
    after = SloRequest(ttft_p95="900ms", errors="0.1%", min_ready=1).slo(1)
    assert changes(spec(slo=before), spec(slo=after)) == (
        Change("slo.min_ready", "", "1"), Change("slo.ttft_p95", "800ms", "900ms"),
    )  # fmt: skip


def test_a_service_without_a_place_keeps_what_it_has() -> None:
    desired = {"n1": holding(spec("a/0"), spec("b/0"), spec("gone/0"))}
    plan = plan_profile("p", {"n1": [spec("b/0")]}, desired, unplaced=["a"])
    assert sorted(actions(plan)) == [(Action.KEEP, "b/0"), (Action.PRUNE, "gone/0")]
    assert plan.nodes[0].instances.keys() == {"a/0", "b/0"}


def test_a_changed_gpu_is_shown() -> None:
    held = [spec(slices=(Slice(gpu_uuid=uuid, gpu_index=0),)) for uuid in "AB"]
    assert changes(*held) == (Change("gpus", "0(A)", "0(B)", restarts=True),)


def test_applying_keeps_the_restarts_that_people_asked_for() -> None:
    plan = plan_profile("p", {"n1": [spec(model="m2")]}, {"n1": holding(spec(restarts_asked=4))})
    assert plan.nodes[0].instances["a/0"].spec.restarts_asked == 4


def test_the_restart_rule_is_changed_live() -> None:
    plan = plan_profile("p", {"n1": [spec(restart=Restart(max_exits=9))]}, {"n1": holding(spec())})
    assert actions(plan) == [(Action.LIVE, "a/0")]
    assert plan.steps[0].changes == (Change("restart.max_exits", "5", "9"),)


@pytest.mark.parametrize(
    "changed",
    [
        {"engine": "sglang"}, {"model": "m2"}, {"slices": (Slice(gpu_uuid="A", gpu_index=0),)}, {"port": 9000},
        {"runtime": "r"}, {"options": {"seed": 1}}, {"env": {"A": "b"}}, {"limits": Limits(memory_mib=9)},
        {"restart": Restart(max_exits=9)}, {"wanted": Wanted.DRAINED}, {"drain_s": 9.0}, {"priority": 150},
        {"slo": Slo(errors_ratio=0.5)},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_a_key_says_whether_an_engine_has_to_start_anew_for_it(changed: dict[str, Any]) -> None:
    old, new = spec(), spec(**changed)
    (change,) = changes(old, new)
    assert change.restarts == (old.launch_key() != new.launch_key())


NOW = {"wanted": Wanted.STOPPED, "drain_s": 0.0}
SLEEPY = {"options": {"enable_sleep_mode": True, "server_dev_mode": True}}


@pytest.mark.parametrize(
    ("verb", "before", "after", "action"),
    [
        (Verb.STOP, {}, {"wanted": Wanted.STOPPED}, Action.STOP),
        (Verb.STOP_NOW, {}, NOW, Action.STOP),
        (Verb.STOP_NOW, {"wanted": Wanted.STOPPED}, NOW, Action.STOP),
        (
            Verb.STOP,
            NOW,
            NOW,
            Action.KEEP,
        ),
        (Verb.DRAIN, {}, {"wanted": Wanted.DRAINED}, Action.DRAIN),
        (Verb.DRAIN, {"wanted": Wanted.STOPPED}, {"wanted": Wanted.STOPPED}, Action.KEEP),
        (Verb.START, {"wanted": Wanted.DRAINED}, {}, Action.START),
        (Verb.START, NOW, {}, Action.START),
        (Verb.SLEEP, SLEEPY, {**SLEEPY, "wanted": Wanted.SLEEPING}, Action.SLEEP),
        (Verb.SLEEP, {"wanted": Wanted.STOPPED}, {"wanted": Wanted.STOPPED}, Action.KEEP),
        (Verb.WAKE, {"wanted": Wanted.SLEEPING}, {}, Action.WAKE),
        (Verb.WAKE, {"wanted": Wanted.DRAINED}, {"wanted": Wanted.DRAINED}, Action.KEEP),
        (Verb.START, {"wanted": Wanted.SLEEPING}, {}, Action.START),
    ],
)
def test_verbs(verb: Verb, before: dict[str, object], after: dict[str, object], action: Action) -> None:
    desired = {"n1": holding(spec(**before))}  # type: ignore[arg-type]
    plan = plan_verb(verb, [("n1", "a/0")], desired)
    assert [step.action for step in plan.steps] == [action]
    assert applied(plan, desired)["n1"].instances["a/0"].spec == spec(**after)  # type: ignore[arg-type]


def test_an_engine_without_a_call_for_it_is_not_put_to_sleep() -> None:
    plan = plan_verb(Verb.SLEEP, [("n1", "a/0")], {"n1": holding(spec())})
    (blocker,) = plan.blockers
    assert (blocker.code, plan.steps) == ("cannot_sleep", ())
    assert "server_dev_mode" in blocker.text


LORA = {"enable_lora": True, "allow_runtime_lora_updating": True}


@pytest.mark.parametrize(
    ("old", "new", "action", "live"),
    [
        (LORA, {**LORA, "lora_modules": ["a=/l/a"]}, Action.LIVE, [True]),
        (LORA, {**LORA, "lora_modules": ["a=/l/a"], "seed": 1}, Action.REPLACE, [True, False]),
        ({"enable_lora": True}, {"enable_lora": True, "lora_modules": ["a=/l/a"]}, Action.REPLACE, [False]),
    ],
)
def test_an_option_is_live_where_its_adapter_says_so(
    old: dict[str, Any], new: dict[str, Any], action: Action, live: list[bool]
) -> None:
    plan = plan_profile("p", {"n1": [spec(options=new)]}, {"n1": holding(spec(options=old))})
    assert actions(plan) == [(action, "a/0")]
    assert [not change.restarts for change in plan.steps[0].changes] == live


def test_starting_a_failed_instance_asks_for_a_new_attempt() -> None:
    desired = {"n1": holding(spec(restarts_asked=2), spec("b/0"))}
    plan = plan_verb(Verb.START, [("n1", "a/0"), ("n1", "b/0")], desired, failed=[("n1", "a/0")])
    assert actions(plan) == [(Action.START, "a/0"), (Action.KEEP, "b/0")]
    assert applied(plan, desired)["n1"].instances["a/0"].spec.restarts_asked == 3


def test_blockers() -> None:
    foreign = plan_profile("p", {"n1": [spec()]}, {"n1": holding(spec(), profile="q")})
    assert [reason.code for reason in foreign.blockers] == ["owned"]
    assert [reason.code for reason in plan_profile("p", {"n9": [spec()]}, {}).blockers] == ["unreachable"]
    assert [reason.code for reason in plan_verb(Verb.STOP, [("n1", "x/0")], {"n1": Desired()}).blockers] == [
        "not_found"
    ]


def test_a_target_named_twice_is_one_step() -> None:
    plan = plan_verb(Verb.RESTART, [("n1", "a/0")] * 2, {"n1": holding(spec())})
    assert actions(plan) == [(Action.REPLACE, "a/0")]
    assert plan.nodes[0].instances["a/0"].spec.restarts_asked == 1


SPECS = st.builds(
    spec,
    st.sampled_from(["a/0", "a/1", "b/0"]),
    model=st.sampled_from(["m", "m2"]),
    options=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([1, "1", None, ""]), max_size=2),
    wanted=st.sampled_from(Wanted),
    restarts_asked=st.integers(0, 2),
)
UNIQUE = st.lists(SPECS, max_size=3, unique_by=lambda found: found.name)
RUNNING = UNIQUE.map(lambda found: [replace(one, wanted=Wanted.RUNNING, restarts_asked=0) for one in found])
WANTED = st.fixed_dictionaries(dict.fromkeys(NODES, RUNNING))
OTHERS = st.lists(st.builds(spec, st.sampled_from(["o/0", "o/1"])), max_size=2, unique_by=lambda found: found.name)
DESIRED = st.fixed_dictionaries(
    {node: st.builds(
        lambda mine, others: Desired(generation=5, instances={**holding(*mine).instances,
                                                              **holding(*others, profile="q").instances}),
        UNIQUE, OTHERS) for node in NODES}
)  # fmt: skip


@given(WANTED, DESIRED)
def test_applying_gives_the_wanted_set_and_planning_again_keeps_all(
    wanted: dict[str, list[InstanceSpec]], desired: dict[str, Desired]
) -> None:
    after = applied(plan_profile("p", wanted, desired), desired)
    for node, document in after.items():
        mine = [owned.spec for owned in document.instances.values() if owned.profile == "p"]
        plain = [replace(found, restarts_asked=0) for found in mine]
        assert sorted(plain, key=lambda found: found.name) == sorted(wanted[node], key=lambda found: found.name)
        others = {name: owned for name, owned in desired[node].instances.items() if owned.profile == "q"}
        assert {name: owned for name, owned in document.instances.items() if owned.profile == "q"} == others
    again = plan_profile("p", wanted, after)
    assert not again.changes_anything
    assert not again.nodes


@given(WANTED, DESIRED)
def test_the_order_of_the_input_does_not_matter(
    wanted: dict[str, list[InstanceSpec]], desired: dict[str, Desired]
) -> None:
    backwards = plan_profile(
        "p",
        {node: wanted[node][::-1] for node in reversed(wanted)},
        {
            node: replace(desired[node], instances=dict(reversed(desired[node].instances.items())))
            for node in reversed(desired)
        },
    )
    assert plan_profile("p", wanted, desired) == backwards


@given(WANTED, DESIRED)
def test_back_and_forth_returns_and_what_is_not_named_stays_untouched(
    wanted: dict[str, list[InstanceSpec]], desired: dict[str, Desired]
) -> None:
    first = applied(plan_profile("p", wanted, desired), desired)
    emptied = applied(plan_profile("p", {}, first), first)
    again = applied(plan_profile("p", wanted, emptied), emptied)
    for node in NODES:
        had, has = first[node].instances, again[node].instances
        assert {name: one.spec for name, one in has.items()} == {
            name: replace(one.spec, restarts_asked=0) if one.profile == "p" else one.spec for name, one in had.items()
        }
    changed = {(node, step.instance) for step in plan_profile("p", wanted, desired).steps
               if step.action is not Action.KEEP for node in step.nodes}  # fmt: skip
    for node in NODES:
        for name, owned in desired[node].instances.items():
            assert (node, name) in changed or first[node].instances[name] == owned


def test_an_instance_that_goes_to_another_node_is_one_step() -> None:
    old = spec(options={"seed": 1}, slices=(Slice(gpu_uuid="A", gpu_index=0),))
    new = replace(old, slices=(Slice(gpu_uuid="B", gpu_index=1),))
    desired = {"n1": holding(old), "n2": holding(spec("b/0")), "n3": holding(old)}
    plan = plan_profile("p", {"n2": [spec("b/0"), new]}, desired)
    assert [(step.action, step.from_node, step.node) for step in plan.steps] == [
        (Action.MOVE, "n1", "n2"), (Action.KEEP, "", "n2"), (Action.PRUNE, "", "n3")
    ]  # fmt: skip
    assert plan.steps[0].changes == (Change("gpus", "0(A)", "1(B)", restarts=True),)
    after = applied(plan, desired)
    assert [sorted(after[node].instances) for node in sorted(after)] == [[], ["a/0", "b/0"], []]


@given(st.sampled_from([Verb.START, Verb.STOP]), DESIRED)
def test_a_verb_twice_keeps(verb: Verb, desired: dict[str, Desired]) -> None:
    targets = [(node, name) for node, document in desired.items() for name in document.instances]
    after = applied(plan_verb(verb, targets, desired), desired)
    again = plan_verb(verb, targets, after)
    assert not again.changes_anything
    assert not again.nodes
    assert len(again.steps) == len(targets)
