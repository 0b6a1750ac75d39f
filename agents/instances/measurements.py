"""What engines on this node said of their memory, beside what was estimated of it: for the next one that is placed.

a ready engine ── take ──► Measurement ──► its spec.json, measurements.json ──► ReadMeasurements, InstanceStatus
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from agents import state
from agents.events import EventLog
from agents.instances.dialogue import Dialogue
from agents.instances.preparation import Described
from engines.abilities import Measures
from engines.measured import Comparison, Measurement, Said, Taken, compared, options_of
from engines.modelfiles import read, snapshot
from engines.shape import UnreadableModel
from profiles.desired.model import InstanceSpec, SecretRef
from profiles.observed.status import EventKind, GpuReading

KEPT = 256
FILES_LIMIT_S = 10.0
"""A model may lie on a network disk that does not answer."""


class Measurements:
    """measurements.json: the newest KEPT of them, one for each kind of load. One that cannot be read is begun anew."""

    def __init__(self, path: Path, events: EventLog, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall = wall
        found = state.load(path, dict[str, Measurement])
        if isinstance(found, state.Damaged):
            events.append(EventKind.AGENT, f"{found.problem}: what engines took is measured anew", code="state_damaged")
            found = found.previous
        self._kept: dict[str, Measurement] = found or {}

    def all(self) -> tuple[Measurement, ...]:
        return tuple(self._kept.values())

    async def take(self, dialogue: Dialogue, spec: InstanceSpec, gpus: Iterable[GpuReading]) -> Taken | None:
        """Of an engine that has loaded; None for one that said nothing. It is remembered."""
        described, said = dialogue.described, dialogue.said()
        engine, launch = described.engine, described.launch
        if said is None or not isinstance(engine, Measures):
            return None
        names = {gpu.uuid: gpu.name for gpu in gpus}
        comparison = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FILES_LIMIT_S):
                comparison = await asyncio.to_thread(_compared, described, said, spec.env)
        taken = Taken(said=said, compared=comparison, at_unix_s=self._wall())
        found = Measurement(
            engine=engine.name,
            version=launch.version,
            gpus=", ".join(sorted(names.get(part.gpu_uuid, "unknown GPU") for part in launch.slices)) or "cpu",
            model=launch.model,
            options=options_of(launch, engine.memory_words),
            taken=taken,
        )
        self.remember(found)
        return taken

    def remember(self, measurement: Measurement) -> None:
        """A disk that refuses costs the memory of it across a restart of the agent."""
        self._kept.pop(measurement.kind(), None)
        self._kept[measurement.kind()] = measurement
        for oldest in list(self._kept)[:-KEPT]:
            del self._kept[oldest]
        with contextlib.suppress(OSError):
            state.save(self._path, self._kept)


def _compared(described: Described, said: Said, env: Mapping[str, str | SecretRef]) -> Comparison | None:
    """None where the model's files are not at hand, or do not say what it is."""
    engine, launch = described.engine, described.launch
    assert isinstance(engine, Measures)
    given = env.get("HF_HOME")
    home = Path(given) if isinstance(given, str) else Path.home() / ".cache" / "huggingface"
    path = Path(launch.model) if launch.model.startswith("/") else snapshot(home / "hub", launch.model)
    try:
        return compared(read(path), launch, engine.memory_words, said) if path else None
    except (UnreadableModel, OSError, ArithmeticError):  # a header may hold any number
        return None
