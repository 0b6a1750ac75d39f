"""What instances had of GPUs in the past, as time without a price: nodes add it up, consoles price it. Pure.

    steps of ten seconds, newest first ──► Tally ──► GpuTime of each GPU ──past_bill──► Bill of the window

Time is in millionths of a GPU-second, so that whole numbers add up: a quarter of a GPU for ten seconds is 2,500,000. A
launch that failed has had nothing, and is known for one because what came of it is seen first.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engines.devices import Slice
from profiles.money.cost import IDLE_BUSY_RATIO, millionths
from profiles.money.money import share
from profiles.observed.status import HOLDS, Phase

WHOLE = 1_000_000

_LAUNCHES = frozenset({Phase.STARTING, Phase.LOADING})
_FAILED = frozenset({Phase.BACKOFF, Phase.FAILED, Phase.LOST})


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """What an instance holds, as (GPU, millionths of it), and whose it is."""

    parts: tuple[tuple[str, int], ...]
    profile: str = ""
    owner: str = ""
    model: str = ""
    engine: str = ""


class GpuStep(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU in one step; `foreign` is the millionths of it that strangers hold."""

    busy_ratio: float | None = None
    power_w: float | None = None
    foreign: int = 0


class Time(msgspec.Struct, frozen=True):
    """Of one GPU or a part of it, and what was drawn meanwhile. Unknown power counts as none."""

    micro_s: int = 0
    energy_mj: int = 0

    def __add__(self, other: "Time") -> "Time":
        return Time(self.micro_s + other.micro_s, self.energy_mj + other.energy_mj)

    def part(self, part: int, whole: int) -> "Time":
        return Time(share(self.micro_s, part, whole), share(self.energy_mj, part, whole))


class InstanceTime(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance had of one GPU while it was of that profile, owner, model and engine."""

    name: str
    profile: str = ""
    owner: str = ""
    model: str = ""
    engine: str = ""
    time: Time = Time()
    idle: Time = Time()
    """Of it, while the GPU did nothing."""


class GpuTime(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU in one part of the window: `all` is as long as it was observed. `board` "" is a GPU that is gone."""

    uuid: str
    board: str = ""
    all: Time = Time()
    foreign: Time = Time()
    instances: tuple[InstanceTime, ...] = ()


def holding(slices: Iterable[Slice], memory_mib: Mapping[str, int | None]) -> tuple[tuple[str, int], ...]:
    """The parts of a Holding; `memory_mib` is what each GPU has."""
    return tuple((one.gpu_uuid, millionths(one, memory_mib.get(one.gpu_uuid))) for one in slices)


class Tally:
    """Of one node, in parts of a window."""

    def __init__(self, parts: int = 1) -> None:
        self._all: list[dict[str, Time]] = [{} for _ in range(parts)]
        self._foreign: list[dict[str, Time]] = [{} for _ in range(parts)]
        self._had: list[dict[tuple[str, str, Holding], tuple[Time, Time]]] = [{} for _ in range(parts)]
        self._came_to_nothing: set[str] = set()

    def add(self, at: int, step_s: int, gpus: Mapping[str, GpuStep], held: Mapping[str, tuple[Phase, Holding]]) -> None:
        """One step of part `at`; older than all before it."""
        everything, foreign, had = self._all[at], self._foreign[at], self._had[at]
        paying = {name: one for name, (phase, one) in held.items() if self._pays(name, phase)}
        parts: dict[str, list[tuple[str, Holding, int]]] = {}
        for name, one in paying.items():
            for uuid, part in one.parts:
                parts.setdefault(uuid, []).append((name, one, part))
        for uuid, gpu in gpus.items():
            time = Time(step_s * WHOLE, round((gpu.power_w or 0.0) * 1000 * step_s))
            given = sum(part for _, _, part in parts.get(uuid, ()))
            whole = max(WHOLE, given)
            everything[uuid] = everything.get(uuid, Time()) + time
            foreign[uuid] = foreign.get(uuid, Time()) + time.part(min(gpu.foreign, whole - given), whole)
            is_idle = gpu.busy_ratio is not None and gpu.busy_ratio < IDLE_BUSY_RATIO
            for name, one, part in parts.get(uuid, ()):
                its = time.part(part, whole)
                before, idle = had.get((uuid, name, one), (Time(), Time()))
                had[uuid, name, one] = (before + its, idle + its if is_idle else idle)

    def result(self, at: int, boards: Mapping[str, str]) -> tuple[GpuTime, ...]:
        """By GPU; `boards` are the names of those that are there."""
        found: dict[str, list[InstanceTime]] = {}
        for (uuid, name, one), (time, idle) in self._had[at].items():
            found.setdefault(uuid, []).append(
                InstanceTime(name=name, profile=one.profile, owner=one.owner, model=one.model, engine=one.engine,
                             time=time, idle=idle)
            )  # fmt: skip
        return tuple(
            GpuTime(uuid=uuid, board=boards.get(uuid, ""), all=time, foreign=self._foreign[at][uuid],
                    instances=tuple(found.get(uuid, ())))
            for uuid, time in sorted(self._all[at].items())
        )  # fmt: skip

    def _pays(self, name: str, phase: Phase) -> bool:
        """Steps come newest first: a launch is over before it began."""
        if phase in _FAILED:
            self._came_to_nothing.add(name)
        elif phase not in _LAUNCHES:
            self._came_to_nothing.discard(name)
        return phase in HOLDS and name not in self._came_to_nothing
