"""The profiles that ship: each is loaded, placed and planned on a cluster of the hardware that it is for, and what is
known of its models fits into the memory that they get there."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engines import hfconfig
from engines.memory import Demand, estimate
from engines.shape import Shape
from profiles.desired.model import Desired, InstanceSpec, Profile
from profiles.files.load import load_profile
from profiles.gpu.memory import allocatable_mib
from profiles.observed.gpus import MigDevice, MigState
from profiles.observed.status import NodeStatus
from profiles.placing.place import place
from profiles.plans.plan import Action
from profiles.plans.profile_plan import plan_profile
from profiles.plans.room import with_room
from tests.engines.test_memory import LLAMA_8B, LLAMA_70B, QWEN_7B
from tests.profiles.machines import A100, ORIN, T4, cluster, node

FOLDER = Path(str(files("profiles") / "examples"))
QWEN_72B = QWEN_7B | {"hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80,
                      "num_attention_heads": 64, "num_key_value_heads": 8}  # fmt: skip
QWEN_14B = QWEN_7B | {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 48,
                      "num_attention_heads": 40, "num_key_value_heads": 8}  # fmt: skip
QWEN3_06B = {"hidden_size": 1024, "intermediate_size": 3072, "vocab_size": 151936, "num_hidden_layers": 28,
             "head_dim": 128, "num_attention_heads": 16, "num_key_value_heads": 8,
             "tie_word_embeddings": True}  # fmt: skip

MODELS: Mapping[str, tuple[Mapping[str, Any], int, int | None]] = {
    "meta-llama/Llama-3.3-70B-Instruct": (LLAMA_70B, 131_072, None),
    "meta-llama/Llama-3.1-8B-Instruct": (LLAMA_8B, 131_072, None),
    "/models/llama-3.1-8b-tuned": (LLAMA_8B, 131_072, None),
    "Qwen/Qwen2.5-72B-Instruct": (QWEN_72B, 32_768, None),
    "Qwen/Qwen2.5-14B-Instruct": (QWEN_14B, 32_768, None),
    "Qwen/Qwen2.5-7B-Instruct": (QWEN_7B, 32_768, None),
    "Qwen/Qwen3-0.6B": (QWEN3_06B, 40_960, None),
    "/models/qwen2.5-7b-instruct-q4_k_m.gguf": (QWEN_7B, 32_768, 4_683_073_184),
    "/models/qwen3-0.6b-q4.gguf": (QWEN3_06B, 40_960, 400_000_000),
}
"""By name: its config.json as published, its longest context, and its file where that is of another type."""
UNKNOWN = {"BAAI/bge-m3", "BAAI/bge-reranker-v2-m3"}
"""Encoders: they keep nothing of a request, and their weights are next to nothing."""

FRA_1, FRA_2 = node("fra-1", 8), node("fra-2", 8)
GUIDE = cluster(node("h", 4), node("a", 9, A100), node("t", 4, T4), node("e", 1, ORIN))
EDGE = cluster(node("jetson-1", 1, ORIN), node("jetson-2", 1, ORIN), node("till-7", 0))
LABELS = {"e": {"site": "edge"}, "jetson-1": {"site": "edge"}, "jetson-2": {"site": "edge"},
          "till-7": {"site": "edge", "cpu-only": "yes"}}  # fmt: skip


def divided(name: str) -> NodeStatus:
    """An H100 in four instances of 1g.10gb and one of 3g.40gb."""
    slots = [("1g.10gb", start, 1, 9_984) for start in range(4)] + [("3g.40gb", 4, 4, 40_448)]
    made = tuple(
        MigDevice(uuid=f"MIG-{start}", profile=profile, start=start, size=size, gi_id=start, ci_id=0,
                  memory_total_mib=memory)
        for profile, start, size, memory in slots
    )  # fmt: skip
    here = node(name, 1)
    (gpu,) = here.gpus
    return replace(here, gpus=(replace(gpu, mig=MigState(current=True, pending=True), mig_devices=made),))


CASES: Mapping[str, tuple[Mapping[str, NodeStatus], Mapping[str, str]]] = {
    "one-gpu": (cluster(FRA_1), {"chat-8b/0": "fra-1/0"}),
    "several-gpus": (cluster(FRA_1, FRA_2), {"chat-70b/0": "fra-1/0,1,2,3", "chat-70b/1": "fra-2/0,1,2,3"}),
    "staging": (cluster(FRA_1, node("a", 4, A100)), {"chat-70b/0": "a/0,1,2,3"}),
    "gateway": (
        cluster(node("fra-1", 5)),
        {"chat-8b/0": "fra-1/0", "chat-8b/1": "fra-1/1", "chat-8b/2": "fra-1/2", "chat-8b/3": "fra-1/3",
         "chat-next/0": "fra-1/4", "chat/0": "fra-1"},
    ),
    "cpu": (cluster(node("fra-1", 0)), {"tiny/0": "fra-1"}),
    "edge": (EDGE, {"assistant/0": "jetson-1/0", "assistant/1": "jetson-2/0", "intents/0": "till-7"}),
    "mixed-engines": (
        cluster(node("a", 5), node("b", 1)),
        {"chat-70b/0": "a/0,1,2,3", "simple-queries/0": "b/0", "simple-queries/1": "a/4", "draft/0": "a/4",
         "embed/0": "a/4"},
    ),
    "shared-gpu": (cluster(FRA_1), {"embed/0": "fra-1/0", "rerank/0": "fra-1/0", "draft/0": "fra-1/0"}),
    "mig-slices": (cluster(divided("m")), dict.fromkeys(
        ("chat-7b/0", "embed/0", "rerank/0", "simple-queries/0", "simple-queries/1"), "m/0")),
    "small-beside-large": (cluster(node("a", 5)), {"large/0": "a/0,1,2,3", "simple/0": "a/4", "batch/0": "a/4"}),
    "selection-guide": (
        GUIDE,
        {"throughput/0": "h/0,1,2,3", "general/0": "a/0,1,2,3,4,5,6,7", "structured/0": "a/8", "edge/0": "e/0",
         "budget/0": "t/0,1,2,3"},
    ),
}  # fmt: skip


def example(name: str) -> Profile:
    return load_profile(FOLDER / f"{name}.yaml")


def test_every_example_has_its_hardware_here() -> None:
    assert CASES.keys() == {path.stem for path in FOLDER.glob("*.yaml")}
    assert all(example(name).profile == name for name in CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_is_placed_and_planned_and_there_is_room(name: str) -> None:
    nodes, wanted = CASES[name]
    profile = example(name)
    placed = place(profile, nodes, {}, LABELS)
    assert placed.unplaceable == ()
    found = {spec.name: _where(on, spec) for on, specs in placed.specs.items() for spec in specs}
    assert found == wanted
    desired = {on: Desired() for on in nodes}
    plan = with_room(plan_profile(name, placed.specs, desired, profile.owner), desired, nodes)
    assert plan.blockers == ()
    assert {step.instance for step in plan.steps if step.action is Action.START} == wanted.keys()
    assert not [step for step in plan.steps if step.waits]


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_its_models_take_is_there(name: str) -> None:
    nodes, _ = CASES[name]
    judged = [
        (spec.name, _needs_mib(spec), _has_mib(nodes[on], spec))
        for on, specs in place(example(name), nodes, {}, LABELS).specs.items()
        for spec in specs if spec.model not in UNKNOWN and spec.gateway is None and spec.slices
    ]  # fmt: skip
    assert judged or name == "cpu"
    assert not [one for one in judged if one[1] > one[2]]


def _where(on: str, spec: InstanceSpec) -> str:
    gpus = ",".join(str(part.gpu_index) for part in spec.slices)
    return f"{on}/{gpus}" if gpus else on


def _needs_mib(spec: InstanceSpec) -> int:
    """Of each GPU, with the longest request that it takes in hand."""
    config, longest, file_bytes = MODELS[spec.model]
    known = hfconfig.shape(config, file_bytes)
    shape: Shape = replace(known, gguf=True) if spec.model.endswith(".gguf") else known
    context = spec.options.get("max_model_len") or spec.options.get("ctx_size") or longest
    return estimate(shape, Demand(context=context, tensor_parallel=len(spec.slices))).needed_mib(1)


def _has_mib(there: NodeStatus, spec: InstanceSpec) -> int:
    gpus = {gpu.uuid: gpu for gpu in there.gpus}
    return min(part.memory_mib or allocatable_mib(gpus[part.gpu_uuid]) or 0 for part in spec.slices)
