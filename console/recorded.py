"""Values over time, for what is drawn as a line: seen since the console runs, and before that as the node remembers.

    Delta, one a second ──► add ──► Ring per key and field ◄── fill ── History of the node (console.past asks)

Of everything there is what a table draws; of what is open there is all, and what its requests took.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from agents.wire import History
from console.series import Ring
from console.views import Key, Kind, NodeView
from profiles.observed.history import FIELDS, PHASE, HistogramSeries, HistoryKind, gpu_values, instance_values
from profiles.observed.status import GpuState

SPARKS: Mapping[Kind, tuple[str, ...]] = {Kind.GPU: ("busy_ratio",), Kind.INSTANCE: ("generation_tok_s", "waiting")}
"""What is recorded of everything, whether it is open or not."""


class Latency(NamedTuple):
    """Field → what an instance's requests took, step by step."""

    from_unix_s: float
    step_s: float
    histograms: Mapping[str, HistogramSeries]


class Recorded:
    """`opened` counts the screens that show a key in full."""

    def __init__(self) -> None:
        self.series: dict[tuple[Key, str], Ring] = {}
        self.latency: dict[Key, Latency] = {}
        self.opened: Counter[Key] = Counter()

    def ring(self, key: Key, what: str) -> Ring:
        """The series `what` of `key`; empty when nothing was recorded."""
        return self.series.setdefault((key, what), Ring())

    def open(self, key: Key) -> None:
        """A screen shows `key` in full from now on."""
        self.opened[key] += 1

    def close(self, key: Key) -> None:
        """It no longer does: what its requests took is forgotten, its series stay as they are."""
        self.opened -= Counter([key])
        if key not in self.opened:
            self.latency.pop(key, None)

    def add(self, view: NodeView, at_unix_s: float) -> None:
        """A point of now, by the clock of the node."""
        for uuid, reading in view.gpus.items():
            busy = reading.busy_ratio if reading.state is GpuState.OK else None
            self.ring(Key(Kind.GPU, view.name, uuid), "busy_ratio").add(at_unix_s, busy)
        for name, status in view.instances.items():
            said = status.reading
            key = Key(Kind.INSTANCE, view.name, name)
            self.ring(key, "generation_tok_s").add(at_unix_s, said.generation_tok_s if said else None)
            self.ring(key, "waiting").add(at_unix_s, said.waiting if said else None)
        for key in self.opened:
            if key.node == view.name:
                for field, value in _all_values(view, key, at_unix_s).items():
                    if field not in SPARKS[key.kind]:
                        self.ring(key, field).add(at_unix_s, value)

    def fill(self, node: str, kind: Kind, told: History) -> list[Key]:
        """The keys that have a past now."""
        keys = []
        for series in told.series:
            key = Key(kind, node, series.name)
            keys.append(key)
            for what, values in series.values.items():
                self.ring(key, what).fill(told.from_unix_s, told.step_s, values)
            if series.histograms:
                self.latency[key] = Latency(told.from_unix_s, told.step_s, series.histograms)
        return keys


def _all_values(view: NodeView, key: Key, at_unix_s: float) -> dict[str, float]:
    """Every field of a GPU or an instance that is there; NaN is unknown."""
    if key.kind is Kind.GPU and (reading := view.gpus.get(key.name)):
        return dict(zip(FIELDS[HistoryKind.GPU], gpu_values(reading), strict=True))
    if key.kind is Kind.INSTANCE and (status := view.instances.get(key.name)):
        values = instance_values(status, view.gpus.values(), at_unix_s)
        return {
            field: value for field, value in zip(FIELDS[HistoryKind.INSTANCE], values, strict=True) if field != PHASE
        }
    return {}
