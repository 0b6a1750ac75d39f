"""What instances did of what they were given, over one window: queue, batch, cache, GPU, and what was promised."""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from engines.tuning import Knob
from profiles.latency.burn import Burn, burn, over
from profiles.latency.objectives import Slo
from profiles.latency.slo import Quantile, estimate, merge, quantile
from profiles.observed.history import HistorySeries
from profiles.tuning.setting import Setting

Track = Sequence[float | None]


class Level(msgspec.Struct, frozen=True):
    """Of a track: its mean, what it does not exceed for 95 % of the time, and its peak."""

    mean: float
    p95: float
    most: float


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """One objective in the window. `at_s` is where its percentile lies, `about_s` one number for it to reckon with."""

    name: str
    field: str
    target_s: float
    at_s: Quantile
    about_s: float
    burn: Burn


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Of one instance, or of all replicas of a service, second for second of each. None was not told.

    `seen_s` is the time for which there are readings; `room_ratio` is what is free of the fullest of their GPUs.
    """

    subject: str
    seen_s: float
    settings: Mapping[Knob, Setting]
    running: Level | None = None
    waiting: Level | None = None
    queued_ratio: float | None = None
    """Of the time, that somebody waited."""
    kv_usage: Level | None = None
    busy: Level | None = None
    """Of the GPUs, whoever computed there."""
    preempted_per_s: float | None = None
    requests_per_s: float | None = None
    prompt_tok_s: float | None = None
    generation_tok_s: float | None = None
    met: tuple[Met, ...] = ()
    room_ratio: float | None = None

    def worst(self, field: str) -> Met | None:
        """The objective of `ttft`, `itl` or `e2e` that is surest to be missed; None where nothing is promised."""
        found = [one for one in self.met if one.field == field]
        return max(found, key=lambda one: (one.burn.low, one.burn.high), default=None)


def use_of(
    subject: str, settings: Mapping[Knob, Setting], slo: Slo, replicas: Sequence[HistorySeries], step_s: float,
    gpus: Iterable[Track] = (), room_ratio: float | None = None,
) -> Use:  # fmt: skip
    """`gpus` are tracks of `busy_ratio`."""

    def known(field: str) -> list[float]:
        return [value for one in replicas for value in one.values.get(field, ()) if value is not None]

    running, waiting = known("running"), known("waiting")
    return Use(
        subject=subject, settings=settings, seen_s=len(running) * step_s, room_ratio=room_ratio,
        running=level(running), waiting=level(waiting), kv_usage=level(known("kv_usage_ratio")),
        queued_ratio=_mean([float(value >= 1) for value in waiting]),
        busy=level([value for track in gpus for value in track if value is not None]),
        preempted_per_s=_mean(known("preempted_per_s")), requests_per_s=_mean(known("requests_per_s")),
        prompt_tok_s=_mean(known("prompt_tok_s")), generation_tok_s=_mean(known("generation_tok_s")),
        met=tuple(_met(slo, replicas)),
    )  # fmt: skip


def level(values: Sequence[float]) -> Level | None:
    if not values:
        return None
    ranked = sorted(values)
    return Level(sum(ranked) / len(ranked), ranked[max(0, math.ceil(0.95 * len(ranked)) - 1)], ranked[-1])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _met(slo: Slo, replicas: Sequence[HistorySeries]) -> Iterable[Met]:
    for one in slo.latency:
        told = [series.histograms[one.field] for series in replicas if one.field in series.histograms]
        observed = merge(found for series in told for at in range(len(series.counts)) if (found := series.at(at)))
        spent = burn(over(observed, one.target_s), one.allowed_ratio) if observed else None
        at_s, about_s = (ask(observed, 1 - one.allowed_ratio) if observed else None for ask in (quantile, estimate))
        if spent is not None and isinstance(at_s, Quantile) and isinstance(about_s, float):
            yield Met(name=one.name, field=one.field, target_s=one.target_s, at_s=at_s, about_s=about_s, burn=spent)
