"""What policies say of evidence that a node could tell, and what they say where it tells nothing."""

from collections.abc import Mapping

import pytest

from engines import registry
from engines.devices import Slice
from engines.tuning import Knob
from profiles.desired.model import InstanceSpec
from profiles.latency.objectives import SloRequest
from profiles.observed.history import HistogramSeries, HistorySeries
from profiles.tuning.advice import Advice
from profiles.tuning.policies import DEFAULT, POLICIES
from profiles.tuning.setting import settings_of
from profiles.tuning.use import use_of

OPTIONS = {"max_num_seqs": 64, "max_num_batched_tokens": 4096, "gpu_memory_utilization": 0.8}
CALM = {"running": 20.0, "waiting": 0.0, "kv_usage_ratio": 0.3, "preempted_per_s": 0.0, "requests_per_s": 3.0}
GOOD, CLOSE, LATE = (100.0, 100.0, 100.0), (0.0, 100.0, 100.0), (0.0, 0.0, 100.0)
"""Cumulative counts below half of a target, below it, and in all."""
SLO = SloRequest(ttft_p95="1s", itl_p95="100ms").slo(1)
STEPS, STEP_S = 30, 10.0


def spec(options: dict[str, float], *parts: Slice) -> InstanceSpec:
    return InstanceSpec(name="m/0", service="m", engine="vllm", model="m", options=dict(options), slices=parts)


def advise(
    told: Mapping[str, float | None], policy: str = DEFAULT, ttft: tuple[float, ...] = GOOD,
    itl: tuple[float, ...] = GOOD, busy: float = 0.7, room_ratio: float | None = 0.0,
    specs: tuple[InstanceSpec, ...] = (spec(OPTIONS),),
) -> dict[Knob, Advice]:  # fmt: skip
    values: dict[str, tuple[float | None, ...]] = {
        name: (value,) * STEPS for name, value in {**CALM, **told}.items() if value is not None
    }
    observed = {
        field: HistogramSeries(bounds_s=(target_s / 2, target_s), counts=(counts,) * STEPS, sum_s=(1.0,) * STEPS)
        for field, target_s, counts in (("ttft", 1.0, ttft), ("itl", 0.1, itl))
    }
    series = HistorySeries(name="m/0", values=values, histograms=observed)
    settings = settings_of(registry.get("vllm"), specs)
    use = use_of("m/0", settings, SLO, [series], STEP_S, [(busy,) * STEPS], room_ratio)
    return dict(zip(Knob, POLICIES[policy](use), strict=True))


def turned(found: dict[Knob, Advice]) -> dict[Knob, float]:
    return {knob: one.to for knob, one in found.items() if one.to is not None}


def test_what_nothing_waits_for_is_left_and_why_is_said_with_numbers() -> None:
    found = advise({})
    assert turned(found) == {}
    assert all(one.why and one.numbers and not one.unknown for one in found.values())


def test_a_full_batch_grows_to_what_waited_to_the_cache_and_to_the_promise() -> None:
    assert turned(advise({"running": 64.0, "waiting": 16.0})) == {Knob.SEQUENCES: 80}
    assert turned(advise({"running": 64.0, "waiting": 900.0})) == {Knob.SEQUENCES: 128}
    assert turned(advise({"running": 64.0, "waiting": 900.0, "kv_usage_ratio": 0.6})) == {Knob.SEQUENCES: 104}
    assert turned(advise({"running": 64.0, "waiting": 900.0}, itl=CLOSE)) == {}
    assert turned(advise({"running": 64.0, "waiting": 16.0, "kv_usage_ratio": 0.9})) == {}
    assert turned(advise({"running": 64.0, "waiting": 16.0}, itl=LATE)) == {Knob.BATCHED_TOKENS: 2048}


def test_a_full_cache_takes_what_is_free_of_the_gpu_and_else_fewer_sequences() -> None:
    storm = {"running": 48.0, "waiting": 9.0, "kv_usage_ratio": 0.99, "preempted_per_s": 0.5}
    assert turned(advise(storm, room_ratio=0.12)) == {Knob.MEMORY_SHARE: 0.92}
    assert turned(advise(storm, room_ratio=0.9)) == {Knob.MEMORY_SHARE: 0.95}
    assert turned(advise(storm, room_ratio=0.01)) == {Knob.SEQUENCES: 48}
    assert turned(advise({**storm, "preempted_per_s": 0.0}, room_ratio=0.01)) == {}


def test_steps_trade_first_tokens_for_the_others_and_never_both() -> None:
    assert turned(advise({}, itl=LATE)) == {Knob.BATCHED_TOKENS: 2048}
    assert turned(advise({}, ttft=LATE)) == {Knob.BATCHED_TOKENS: 8192}
    assert turned(advise({}, ttft=LATE, itl=LATE)) == {}
    queue = advise({"running": 64.0, "waiting": 16.0}, ttft=LATE)
    assert turned(queue) == {Knob.SEQUENCES: 80}
    assert "the queue" in queue[Knob.BATCHED_TOKENS].why


def test_the_known_rule_multiplies_everything_by_what_the_gpu_does() -> None:
    rule = "utilization-1.2-0.8"
    assert turned(advise({}, rule, busy=0.95)) == {
        Knob.SEQUENCES: 80, Knob.BATCHED_TOKENS: 4912, Knob.MEMORY_SHARE: 0.95,
    }  # fmt: skip
    assert turned(advise({"running": 64.0, "waiting": 50.0}, rule, busy=0.4))[Knob.SEQUENCES] == 48, "it sees no queue"
    assert turned(advise({}, rule, busy=0.7)) == {}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("told", [{"running": None}, {"running": 0.0, "requests_per_s": 0.0}])
def test_nothing_is_told_of_what_was_not_measured(policy: str, told: dict[str, float | None]) -> None:
    assert all(one.unknown and one.to is None for one in advise(told, policy).values())


def test_settings_that_are_left_set_apart_or_follow_from_the_profile_are_not_turned() -> None:
    full = {"running": 64.0, "waiting": 16.0, "kv_usage_ratio": 0.3}
    left = advise(full, specs=(spec({}),))
    assert left[Knob.SEQUENCES].unknown
    assert left[Knob.MEMORY_SHARE].setting.value == 0.92
    apart = advise(full, specs=(spec(OPTIONS), spec({**OPTIONS, "max_num_seqs": 32})))
    assert turned(apart) == {}
    assert "by its name" in apart[Knob.SEQUENCES].why
    part = Slice(gpu_uuid="g", gpu_index=0, memory_mib=12_288)
    storm = {**full, "kv_usage_ratio": 1.0, "preempted_per_s": 1.0}
    assert "12288MiB" in advise(storm, room_ratio=0.5, specs=(spec(OPTIONS, part),))[Knob.MEMORY_SHARE].why
