"""A plan that preempts, as people see it."""

from msgspec.structs import replace

from console.operations import Operations
from console.render.plan import plan_lines
from console.store import Store
from engines.devices import Slice
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Profile, Service
from tests.console.peer import snapshot
from tests.console.test_operations import Nodes
from tests.profiles.machines import node


def test_what_stops_is_named_before_what_starts_and_there_is_no_blocker() -> None:
    part = Slice(gpu_uuid="a-0", gpu_index=0)
    spec = InstanceSpec(
        name="batch/0", service="batch", engine="simulated", model="m", slices=(part,), priority=50, preemptible=True
    )
    store = Store()
    store.add_node("a")
    there = Desired(generation=5, instances={"batch/0": DesiredInstance(profile="b", revision=1, spec=spec)})
    store.receive("a", replace(snapshot(desired=there), status=node("a", gpus=1)))
    service = Service("m", engine="simulated", gpus=GpuRequest(count=1))
    plan = Operations(Nodes(), store).propose_profile(Profile(gpuyard=1, profile="p", services={"chat": service}))
    assert plan.blockers == ()
    assert list(plan_lines(plan))[1:3] == ["  ! preempt  batch/0  on a  for chat of p", "  + start    chat/0  on a"]
