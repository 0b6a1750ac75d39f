"""What the policies of `gpuyard tune` make of a simulated engine, window after window: `python -m benchmarks.tune`.

The batch of the simulated engine, without its process and its clock, under seeded traffic of three shapes, the same for
every policy. After each window a policy sees what a node would remember of it, and the next one runs with what it said.

    arrivals ──► Batch ──scrapes──► tracks, histograms ──use_of──► policy ──► options of the next window

Goodput counts requests that met both promises. The GPU costs the same whatever it does.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import NamedTuple

from engines import registry
from engines.base import EngineSample
from engines.simulated.batch import Batch, Sequence
from engines.simulated.counters import Counters
from engines.simulated.settings import Settings
from profiles.desired.model import InstanceSpec
from profiles.latency.objectives import SloRequest
from profiles.latency.slo import window
from profiles.observed.history import HistogramSeries, HistorySeries
from profiles.tuning.policies import POLICIES, Policy
from profiles.tuning.setting import settings_of
from profiles.tuning.use import use_of

WINDOW_S, WINDOWS, SCRAPE_S = 600.0, 8, 10.0
GPU_MIB, WEIGHTS_MIB = 81_559, 16_000
USD_PER_HOUR = 2.95
"""An H100 in the sheet that ships, 2026-05-15."""
TTFT_S, ITL_S = 1.0, 0.1
SLO = SloRequest(ttft_p95=f"{TTFT_S:.0f}s", itl_p95=f"{1e3 * ITL_S:.0f}ms").slo(1)
BEGINS: Mapping[str, float] = {"max_num_seqs": 32, "max_num_batched_tokens": 8192, "gpu_memory_utilization": 0.5}
MODEL = {"decode_base_ms": 15.0, "decode_per_seq_ms": 0.4, "prefill_tok_s": 20_000.0, "weights_mib": WEIGHTS_MIB}
"""About what is published of a model of 8B on such a GPU."""
ENGINE = registry.get("simulated")
HISTOGRAMS = ("ttft", "itl")

Options = Mapping[str, float]


class Shape(NamedTuple):
    """`per_s` is the rate of arrivals at a second of the window."""

    per_s: Callable[[float], float]
    prompt_tokens: int
    answer_tokens: int


SHAPES = {
    "steady": Shape(lambda now_s: 7.0, 400, 200),
    "burst": Shape(lambda now_s: 8.0 if now_s % 120 < 30 else 0.1, 400, 200),
    "long prompts": Shape(lambda now_s: 2.0, 6000, 150),
}


@dataclass
class Request:
    """One of them on its way through the batch."""

    arrived_s: float
    prompt_tokens: int
    answer_tokens: int
    first_s: float | None = None
    ended_s: float | None = None

    @property
    def good(self) -> bool:
        """Its first token came in time and the others did on the mean."""
        if self.first_s is None or self.ended_s is None:
            return False
        pause_s = (self.ended_s - self.first_s) / max(1, self.answer_tokens - 1)
        return self.first_s - self.arrived_s <= TTFT_S and pause_s <= ITL_S


class Played(NamedTuple):
    good_per_s: float
    asked_per_s: float
    tok_s: float
    series: HistorySeries
    busy: tuple[float, ...]


def arrivals(shape: Shape, random: Random) -> Iterator[Request]:
    """Poisson, thinned from the highest rate; lengths by as much as a half more or less."""
    most = max(shape.per_s(float(at)) for at in range(int(WINDOW_S)))
    now_s = random.expovariate(most)
    while now_s < WINDOW_S:
        if random.random() * most < shape.per_s(now_s):
            prompt, answer = (round(size * random.uniform(0.5, 1.5)) for size in shape[1:])
            yield Request(now_s, prompt, answer)
        now_s += random.expovariate(most)


def play(shape: Shape, options: Options, seed: int) -> Played:
    """One window from an empty engine on; what is not answered by its end is not good."""
    clock, counters = Clock(), Counters()
    batch = Batch(_settings(options), counters)
    requests = list(arrivals(shape, Random(seed)))
    coming, scrapes, busy_s = deque(requests), [_scrape(batch, counters)], [0.0]
    while clock.now_s < WINDOW_S:
        while coming and coming[0].arrived_s <= clock.now_s:
            request = coming.popleft()
            batch.submit(clock.sequence(request), request.arrived_s)
        step = batch.plan(clock.now_s)
        then_s = clock.now_s + step.duration_s if step else coming[0].arrived_s if coming else WINDOW_S
        while len(scrapes) * SCRAPE_S <= then_s:
            scrapes.append(_scrape(batch, counters))
            busy_s.append(0.0)
        busy_s[-1] += step.duration_s if step else 0.0
        clock.now_s = then_s
        if step:
            batch.finish(step, step.duration_s, clock.now_s)
    good = sum(request.good for request in requests)
    return Played(
        good / WINDOW_S, len(requests) / WINDOW_S, counters.generation_tokens / WINDOW_S, _remembered(scrapes),
        tuple(min(1.0, one / SCRAPE_S) for one in busy_s[:-1]),
    )  # fmt: skip


class Clock:
    """Of the simulation; requests note when their tokens came."""

    now_s = 0.0

    def sequence(self, request: Request) -> Sequence:
        def deliver(tokens: int, finished: bool) -> None:
            request.first_s = self.now_s if request.first_s is None else request.first_s
            request.ended_s = self.now_s if finished else None

        return Sequence(request.prompt_tokens, request.answer_tokens, deliver)


def _settings(options: Options) -> Settings:
    cache_mib = int(options["gpu_memory_utilization"] * GPU_MIB) - WEIGHTS_MIB
    sizes = {name: int(options[name]) for name in ("max_num_seqs", "max_num_batched_tokens")}
    return Settings(model="m", port=1, max_model_len=16_384, kv_cache_mib=cache_mib, **sizes, **MODEL)  # type: ignore[arg-type]


def _scrape(batch: Batch, counters: Counters) -> EngineSample:
    """What its page says, read by its adapter as from any other."""
    gauges = {
        "vllm:num_requests_running": len(batch.running), "vllm:num_requests_waiting": len(batch.waiting),
        "vllm:kv_cache_usage_perc": batch.kv_usage_ratio,
    }  # fmt: skip
    return ENGINE.sample(counters.page("m", {name: float(value) for name, value in gauges.items()}))


def _remembered(scrapes: list[EngineSample]) -> HistorySeries:
    """As a node keeps it: gauges, rates, and what was observed between two scrapes."""
    pairs = list(pairwise(scrapes))
    rates = {"preempted_per_s": "preemptions", "requests_per_s": "requests_finished"}
    values = {
        name: tuple(getattr(one, name) for one in scrapes[1:]) for name in ("running", "waiting", "kv_usage_ratio")
    }
    values |= {
        name: tuple((getattr(new, field) - getattr(old, field)) / SCRAPE_S for old, new in pairs)
        for name, field in rates.items()
    }
    histograms = {}
    for field in HISTOGRAMS:
        found = [window(getattr(old, field), getattr(new, field)) for old, new in pairs]
        histograms[field] = HistogramSeries(
            bounds_s=getattr(scrapes[0], field).bounds_s, counts=tuple(one.counts if one else None for one in found),
            sum_s=tuple(one.sum_s if one else 0.0 for one in found),
        )  # fmt: skip
    return HistorySeries(name="m/0", values=values, histograms=histograms)


def advised(policy: Policy, options: Options, played: Played) -> Options:
    spec = InstanceSpec(name="m/0", service="m", engine=ENGINE.name, model="m", options=dict(options))
    use = use_of("m/0", settings_of(ENGINE, [spec]), SLO, [played.series], SCRAPE_S, [played.busy],
                 1 - options["gpu_memory_utilization"])  # fmt: skip
    return {**options, **{one.setting.option: one.to for one in policy(use) if one.to is not None}}


def compare(shape: Shape, policy: Policy | None) -> tuple[list[Played], Options, int]:
    """All windows, the options in the end, and how often the engine was started anew for them."""
    options, played, restarts = BEGINS, list[Played](), 0
    for at in range(WINDOWS):
        played.append(play(shape, options, at))
        new = advised(policy, options, played[-1]) if policy else options
        restarts += new != options and at < WINDOWS - 1
        options = new if at < WINDOWS - 1 else options
    return played, options, restarts


def main() -> None:
    policies: Mapping[str, Policy | None] = {"as it is": None, **POLICIES}
    for name, shape in SHAPES.items():
        for title, policy in policies.items():
            played, options, restarts = compare(shape, policy)
            later = played[1:]
            good, asked = fmean(one.good_per_s for one in later), fmean(one.asked_per_s for one in later)
            usd = USD_PER_HOUR / (0.0036 * fmean(one.tok_s for one in later))
            print(f"tune {name:13} {title:20} {good:5.2f} of {asked:5.2f} good/s, last {later[-1].good_per_s:5.2f}   "
                  f"${usd:.3f}/1M   {restarts} restarts   "
                  + ", ".join(f"{value:g}" for value in options.values()))  # fmt: skip


if __name__ == "__main__":
    main()
