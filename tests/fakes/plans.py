"""A plan on the filled store with a step of every kind that a profile makes."""

from msgspec.structs import replace

from console.store import Store
from engines.devices import Enforcer, Slice
from profiles.desired.model import Desired, InstanceSpec, Wanted
from profiles.desired.rollout import Rollout
from profiles.plans.effects import with_effects
from profiles.plans.plan import Plan
from profiles.plans.profile_plan import plan_profile
from profiles.plans.reverted import with_reverted
from profiles.plans.room import with_room


def desired(store: Store) -> dict[str, Desired]:
    return {name: view.desired for name, view in store.nodes.items()}


def sample(store: Store) -> Plan:
    """llama-70b takes in more at once, qwen3-32b/1 moves, rerank goes, a share of a GPU is new, embed starts again."""
    for view in store.nodes.values():
        view.instances = {name: replace(status, load_s=38.0) for name, status in view.instances.items()}
    now = desired(store)
    specs = {node: {name: owned.spec for name, owned in one.instances.items()} for node, one in now.items()}
    wanted: dict[str, list[InstanceSpec]] = {node: [] for node in specs}
    for node, found in specs.items():
        for name, spec in found.items():
            if name.startswith("llama"):
                wanted[node].append(replace(spec, options={"max_num_seqs": 128, "max_model_len": 16384}))
            elif name == "qwen3-32b/1":
                moved = tuple(Slice(gpu_uuid=f"GPU-ams-1-{at}", gpu_index=at) for at in (6, 7))
                wanted["ams-1"].append(replace(spec, slices=moved))
            elif name == "qwen3-32b/0":
                wanted[node].append(replace(spec, priority=150))
            elif name == "embed/0":
                wanted[node].append(replace(spec, wanted=Wanted.RUNNING))
    part = Slice(gpu_uuid="GPU-fra-2-7", gpu_index=7, memory_mib=12_288, memory_enforcer=Enforcer.ENGINE_FLAG,
                 gpu_memory_mib=81_559)  # fmt: skip
    wanted["fra-2"].append(
        InstanceSpec(name="draft/0", service="draft", engine="vllm", model="qwen3-0.6b", slices=(part,))
    )
    applied = {(node, name): replace(spec, options={"max_num_seqs": 128}) for node in specs
               for name, spec in specs[node].items() if name == "llama-70b/1"}  # fmt: skip
    plan = with_reverted(plan_profile("chat-prod", wanted, now), applied, now)
    back = "`gpuyard undo chat-prod` returns to what stands now, r118"
    plan = replace(plan, rollout=Rollout(), undone_by=back)
    statuses = {name: status for name, view in store.nodes.items() if (status := view.observed())}
    return with_effects(with_room(plan, now, statuses), now, statuses)
