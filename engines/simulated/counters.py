"""What the engine has counted, written as the metrics page that vLLM 0.32 would give."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

TTFT_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
ITL_S = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
REQUEST_S = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
)  # fmt: skip
"""Default bucket bounds of vLLM 0.32."""


class Buckets:
    """One histogram being filled."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def observe(self, value_s: float, times: int = 1) -> None:
        self._counts[bisect_left(self.bounds_s, value_s)] += times
        self._sum_s += value_s * times

    def lines(self, family: str, labels: str) -> Iterator[str]:
        bounds = [*map(str, self.bounds_s), "+Inf"]
        counts = list(accumulate(self._counts))
        yield f"# TYPE {family} histogram"
        for bound, count in zip(bounds, counts, strict=True):
            yield f'{family}_bucket{{{labels},le="{bound}"}} {float(count)}'
        yield f"{family}_count{{{labels}}} {float(counts[-1])}"
        yield f"{family}_sum{{{labels}}} {self._sum_s}"


class Counters:
    """Totals since the start."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.preemptions = 0
        self.finished = {"stop": 0, "length": 0, "abort": 0, "error": 0}
        self.ttft = Buckets(TTFT_S)
        self.itl = Buckets(ITL_S)
        self.e2e = Buckets(REQUEST_S)
        self.queue = Buckets(REQUEST_S)

    def page(self, model: str, gauges: dict[str, float]) -> str:
        """The exposition text; `gauges` are by their full names."""
        labels = f'engine="0",model_name="{_escape(model)}"'
        totals = {
            "vllm:prompt_tokens_total": self.prompt_tokens,
            "vllm:generation_tokens_total": self.generation_tokens,
            "vllm:num_preemptions_total": self.preemptions,
        }
        lines: list[str] = []
        for kind, numbers in (("gauge", gauges), ("counter", totals)):
            for name, number in numbers.items():
                lines += [f"# TYPE {name} {kind}", f"{name}{{{labels}}} {float(number)}"]
        lines.append("# TYPE vllm:request_success_total counter")
        for reason, count in self.finished.items():
            lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {float(count)}')
        lines += self.ttft.lines("vllm:time_to_first_token_seconds", labels)
        lines += self.itl.lines("vllm:inter_token_latency_seconds", labels)
        lines += self.e2e.lines("vllm:e2e_request_latency_seconds", labels)
        lines += self.queue.lines("vllm:request_queue_time_seconds", labels)
        return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
