"""What the page of an instance says of its memory and its runtime."""

from msgspec.structs import replace

from console.render.instance import instance_lines
from console.render.measured import correction_text, measured_lines
from console.store import Key, Kind, Store
from engines.measured import Comparison, Measurement, Said, Taken
from tests.fakes.fleet import NOW_UNIX_S, filled

SAID = Said(weights_mib=15_872, kv_mib=51_200, kv_tokens=410_592)
FOUND = Taken(
    said=SAID,
    compared=Comparison(parts=("weights",), estimated_mib=15_317, measured_mib=15_872),
    at_unix_s=NOW_UNIX_S,
)


def text(found: Taken) -> list[str]:
    return ["".join(part for part, _ in line).strip() for line in measured_lines(found, 200)]


def test_measured_stands_beside_estimated() -> None:
    first, second = text(FOUND)
    assert "estimated 15.0 GiB, measured 15.5 GiB (+4 %): weights" in first
    assert "KV cache 50.0 GiB   room for 410,592 tokens" in second
    kept = Measurement(engine="vllm", version="0.32.0", gpus="NVIDIA H100", model="m", options={}, taken=FOUND)
    assert correction_text(kept, "fra-1").endswith("with vllm 0.32.0")


def test_without_an_estimate_the_figures_stand_alone() -> None:
    assert "measured weights 15.5 GiB; no files of the model to estimate by" in text(replace(FOUND, compared=None))[0]
    small = replace(FOUND, compared=None, said=Said(weights_mib=1.39))
    assert "weights 1.4 MiB" in text(small)[0]


def shown(store: Store, wanted: str | None, running: str, pid: int | None = 7) -> str:
    view = store.nodes["fra-1"]
    name = "llama-70b/0"
    owned = view.desired.instances[name]
    instances = {**view.desired.instances, name: replace(owned, spec=replace(owned.spec, runtime=wanted))}
    view.desired = replace(view.desired, instances=instances)
    view.instances[name] = replace(view.instances[name], runtime=running, version="0.32.0", pid=pid)
    lines = [
        "".join(part for part, _ in line) for line in instance_lines(store, Key(Kind.INSTANCE, "fra-1", name), 100)
    ]
    return next((" ".join(line.split()) for line in lines if "Runtime" in line), "")


def test_the_runtime_that_runs_and_the_one_that_is_wanted() -> None:
    store = filled()
    assert shown(store, None, "vllm-0.32.0") == "Runtime vllm-0.32.0 version 0.32.0"
    assert shown(store, "vllm-0.33.0", "vllm-0.32.0") == "Runtime vllm-0.32.0 version 0.32.0 wanted: vllm-0.33.0"
    assert shown(store, "vllm-0.33.0", "", None) == "Runtime vllm-0.33.0 wanted"
    assert shown(store, None, "") == ""
