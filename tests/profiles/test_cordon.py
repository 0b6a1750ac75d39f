"""What is cordoned takes nothing new; what is there stays. A cordon is planned, told and undone like any edit."""

from msgspec.structs import replace

from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Cordon, Defaults, Desired, DesiredInstance, InstanceSpec, Profile, Service
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, HostReading, NodeStatus
from profiles.placing.cordon import NODE, refusal, stamped, turned
from profiles.placing.place import place
from profiles.plans.cordon_plan import Place, plan_cordon
from profiles.plans.plan import Action
from profiles.revisions.revision import digest, what_changed
from profiles.revisions.undo import plan_undo

FAN = Cordon(gpu_index=1, reason="fan", author="ana", at_unix_s=5.0)
STATUS = NodeStatus(
    hostname="n", agent_version="1", boot_id="b", at_unix_s=0.0, host=HostReading(cores=1, memory_total_mib=1),
    gpu_source=GpuSource(GpuSourceKind.SIMULATED),
    gpus=tuple(GpuReading(uuid=f"GPU-{at}", index=at, name="H100") for at in range(3)),
)  # fmt: skip


def owned(name: str, *gpus: int) -> DesiredInstance:
    slices = tuple(Slice(gpu_uuid=f"GPU-{at}", gpu_index=at) for at in gpus)
    spec = InstanceSpec(name=name, service=name.partition("/")[0], engine="vllm", model="m", slices=slices)
    return DesiredInstance(profile="p", revision=1, spec=spec)


def why(cordons: dict[str, Cordon], before: DesiredInstance | None, after: DesiredInstance) -> str:
    found = refusal(cordons, before, after.spec)
    return found.text if found else ""


def test_a_gpu_takes_nothing_new_and_keeps_what_it_has() -> None:
    cordons = {"GPU-1": FAN}
    assert why(cordons, None, owned("a/0", 0)) == ""
    assert "GPU 1 is cordoned by ana (fan)" in why(cordons, None, owned("a/0", 0, 1))
    assert "GPU 1" in why(cordons, owned("a/0", 0), owned("a/0", 1)), "moved there it is new there"
    edited = replace(owned("a/0", 1), spec=replace(owned("a/0", 1).spec, model="other", restarts_asked=3))
    assert why(cordons, owned("a/0", 1), edited) == ""


def test_a_node_takes_nothing_new_on_the_cpu_either() -> None:
    cordons = {NODE: Cordon(author="bob")}
    assert "the node is cordoned by bob" in why(cordons, None, owned("a/0"))
    assert "the node" in why(cordons, owned("a/0", 0), owned("a/0", 0, 1))
    assert why(cordons, owned("a/0", 0), owned("a/0", 0)) == ""


def test_placement_says_so_and_what_is_there_is_placed_again() -> None:
    profile = Profile(1, "p", {"a": Service("m", gpus=GpuRequest(("n/1",)))}, defaults=Defaults("vllm"))
    cordoned = Desired(cordons={"GPU-1": FAN})
    placed = place(profile, {"n": STATUS}, {"n": cordoned})
    assert "cordoned by ana (fan)" in placed.unplaceable[0].reason
    assert "gpu uncordon" in placed.unplaceable[0].hint
    held = replace(cordoned, instances={"a/0": owned("a/0", 1)})
    assert not place(profile, {"n": STATUS}, {"n": held}).unplaceable


def test_a_plan_keeps_what_is_so_already() -> None:
    desired = {"n": Desired(generation=4, instances={"a/0": owned("a/0", 1)}, cordons={"GPU-1": FAN})}
    plan = plan_cordon([Place("n", "GPU-1", 1), Place("n", "GPU-2", 2), Place("n")], desired, reason="dust")
    assert [(step.action, step.instance) for step in plan.steps] == [
        (Action.KEEP, "GPU 1"), (Action.CORDON, "GPU 2"), (Action.CORDON, "the node"),
    ]  # fmt: skip
    (edit,) = plan.nodes
    assert edit.expected_generation == 4
    assert edit.instances == desired["n"].instances
    assert edit.cordons is not None
    assert edit.cordons["GPU-1"] == FAN
    assert edit.cordons["GPU-2"] == Cordon(gpu_index=2, reason="dust")
    lifted = plan_cordon([Place("n", "GPU-1", 1), Place("n")], desired, lift=True)
    assert [step.action for step in lifted.steps] == [Action.UNCORDON, Action.KEEP]
    assert lifted.nodes[0].cordons == {}
    assert not plan_cordon([Place("n", "GPU-1", 1)], desired).changes_anything


def test_the_first_who_cordons_is_named_and_the_record_says_what_turned() -> None:
    now = stamped({"GPU-1": FAN}, {"GPU-1": Cordon(reason="again"), NODE: Cordon(reason="dust")}, "bob", 9.0)
    assert now == {"GPU-1": FAN, NODE: Cordon(reason="dust", author="bob", at_unix_s=9.0)}
    assert turned({"GPU-1": FAN}, {NODE: Cordon()}) == ["cordoned the node", "uncordoned GPU 1"]
    old = Desired()
    assert what_changed(old, replace(old, cordons={"GPU-1": FAN})) == "cordoned GPU 1"
    assert what_changed(old, old) == "nothing"
    assert digest({}, {"GPU-1": FAN}) != digest({})
    assert digest({}, {"GPU-1": FAN}) == digest({}, {"GPU-1": Cordon()}), "who and why are not what is wanted"


def test_undo_turns_it_round_and_leaves_what_others_did() -> None:
    lift = plan_undo(
        "n", Desired(generation=2, cordons={"GPU-1": FAN, NODE: FAN}), {}, {}, cordons=({}, {"GPU-1": FAN})
    )
    assert [(step.action, step.instance) for step in lift.steps] == [(Action.UNCORDON, "GPU 1")]
    assert lift.nodes[0].cordons == {NODE: FAN}
    again = plan_undo("n", Desired(generation=2), {}, {}, cordons=({"GPU-1": FAN}, {}))
    assert [step.action for step in again.steps] == [Action.CORDON]
    assert again.nodes[0].cordons == {"GPU-1": FAN}
    done = plan_undo("n", Desired(generation=2), {}, {}, cordons=({}, {"GPU-1": FAN}))
    assert [blocker.code for blocker in done.blockers] == ["nothing_to_undo"]
