"""What the last load of a model took on this node, so that the next one says how long it may still take.

LoadMemory ── recall ──► Loading ── look … ──► LoadProgress with elapsed_s, expected_s
    ▲──────── remember ──── taken
"""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from agents import state
from engines.base import LoadProgress
from profiles.desired.model import InstanceSpec
from profiles.observed.status import GpuReading

KEPT = 256


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A load that ended in a ready engine: its length, and when each step was first seen."""

    took_s: float
    steps: dict[str, float] = {}


class Loading:
    """One load under way. `last` is the same model's last one on the same kind of GPU."""

    def __init__(self, began_s: float, last: Load | None) -> None:
        self.began_s = began_s
        self._last = last
        self._steps: dict[str, float] = {}
        self._now = LoadProgress(step="loading")
        self._ahead_s = 0.0

    def look(self, step: LoadProgress | None, now_s: float) -> LoadProgress:
        """The progress after a look at the log, in whole seconds. A step that came later than last time moves the
        expected end by as much.
        """
        elapsed_s = now_s - self.began_s
        if step is not None:
            self._now = step
            if step.step not in self._steps:
                self._steps[step.step] = elapsed_s
                before_s = self._last.steps.get(step.step) if self._last else None
                self._ahead_s = elapsed_s - before_s if before_s is not None else self._ahead_s
        expected_s = round(self._last.took_s + self._ahead_s) if self._last else None
        return msgspec.structs.replace(self._now, elapsed_s=float(int(elapsed_s)), expected_s=expected_s)

    def taken(self, now_s: float) -> Load:
        return Load(took_s=now_s - self.began_s, steps=self._steps)


class LoadMemory:
    """loads.json: the newest KEPT of them, by engine, model and GPUs. One that cannot be read is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = state.load(path, dict[str, Load])
        self._loads: dict[str, Load] = found if isinstance(found, dict) else {}

    def recall(self, spec: InstanceSpec, gpus: Iterable[GpuReading]) -> Load | None:
        return self._loads.get(_kind(spec, {gpu.uuid: gpu.name for gpu in gpus}))

    def remember(self, spec: InstanceSpec, gpus: Iterable[GpuReading], load: Load) -> None:
        """A disk that refuses costs the memory of it across a restart of the agent."""
        kind = _kind(spec, {gpu.uuid: gpu.name for gpu in gpus})
        self._loads.pop(kind, None)
        self._loads[kind] = load
        for oldest in list(self._loads)[:-KEPT]:
            del self._loads[oldest]
        with contextlib.suppress(OSError):
            state.save(self._path, self._loads)


def _kind(spec: InstanceSpec, names: Mapping[str, str]) -> str:
    gpus = ", ".join(sorted(names.get(held.gpu_uuid, "unknown GPU") for held in spec.slices)) or "cpu"
    return f"{spec.engine} | {spec.model} | {gpus}"
