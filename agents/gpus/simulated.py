"""GPUs that do not exist: what the living processes of a simulated directory claim, and what would follow."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents.gpus import plausible
from agents.gpus.plausible import COOL_C
from agents.gpus.source import DriverXid, Frame, NoGpus
from agents.processes import tree
from engines.simulated_device import (
    CLAIMS_DIRECTORY,
    DEVICES_FILE,
    Claim,
    SimulatedGpu,
    decode_claim,
    decode_devices,
    demand_ratio,
    memory_used_mib,
)
from profiles.observed.gpus import GpuCard
from profiles.observed.status import GpuProcess, GpuReading, GpuSource, GpuSourceKind, GpuState

SOURCE = GpuSource(GpuSourceKind.SIMULATED, "SIMULATED: no real GPU is read")

IDLE_SHARE = 0.1
"""Of the power limit, drawn without work."""
_HEAT_C = 44.0
"""Above COOL_C at full load; demand beyond 1 heats on, as queues keep the clocks up."""
_SETTLE_S = 20.0
"""In which the temperature comes most of the way to where the load takes it."""
_JITTER_RATIO = 0.03


class Simulated:
    """Raises NoGpus when the directory has no readable devices.json."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        alive: Callable[[int], bool] = lambda pid: _alive(pid),
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._wall = wall
        self._alive = alive
        self._before_s = clock()
        self._temperature_c: dict[str, float] = {}
        self._energy_mj: dict[str, float] = {}
        self._last: dict[str, GpuReading] = {}
        self._reported = {gpu.uuid: len(gpu.xids) for gpu in self._devices()}
        self._cards: tuple[GpuCard, ...] = ()

    def look_again(self) -> None:
        """Every read looks at everything."""

    def read(self) -> Frame:
        now_s = self._clock()
        elapsed_s, self._before_s = now_s - self._before_s, now_s
        claims = self._claims()
        devices = self._devices()
        gpus = tuple(self._reading(gpu, claims, now_s, elapsed_s) for gpu in devices)
        return Frame(SOURCE, gpus, self._new_cards(devices), tuple(self._new_xids(devices)))

    def _new_cards(self, devices: list[SimulatedGpu]) -> tuple[GpuCard, ...] | None:
        cards = tuple(plausible.card(gpu, devices) for gpu in devices)
        if cards == self._cards:
            return None
        self._cards = cards
        return cards

    def _new_xids(self, devices: list[SimulatedGpu]) -> Iterator[DriverXid]:
        """Those that were there at the beginning are past."""
        for gpu in devices:
            for number in gpu.xids[self._reported.get(gpu.uuid, 0) :]:
                yield DriverXid(gpu.uuid, number, self._wall())
            self._reported[gpu.uuid] = len(gpu.xids)

    def _devices(self) -> list[SimulatedGpu]:
        try:
            return decode_devices((self._directory / DEVICES_FILE).read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise NoGpus(f"no simulated GPUs in {self._directory}: {error}") from None

    def _claims(self) -> list[Claim]:
        found = []
        for path in sorted((self._directory / CLAIMS_DIRECTORY).glob("*.json")):
            try:
                claim = decode_claim(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue  # gone or being written: the next look has it
            if self._alive(claim.pid):
                found.append(claim)
        return found

    def _reading(self, gpu: SimulatedGpu, claims: Sequence[Claim], now_s: float, elapsed_s: float) -> GpuReading:
        if gpu.lost:
            last = self._last.get(gpu.uuid) or GpuReading(uuid=gpu.uuid, index=gpu.index, name=gpu.name)
            return replace(last, state=GpuState.LOST, absent={"state": "the GPU has fallen off the bus (simulated)"})
        demand = demand_ratio(claims, gpu.uuid)
        busy = _jittered(min(1.0, demand), gpu.uuid, now_s)
        power_w = gpu.power_limit_w * (IDLE_SHARE + (1 - IDLE_SHARE) * busy)
        temperature_c = self._heat(gpu.uuid, busy, demand, elapsed_s)
        energy_mj = self._energy_mj.get(gpu.uuid, 0.0) + power_w * elapsed_s * 1000
        self._energy_mj[gpu.uuid] = energy_mj
        errors, recovery = plausible.errors(gpu)
        reading = GpuReading(
            uuid=gpu.uuid,
            index=gpu.index,
            name=gpu.name,
            memory_total_mib=gpu.memory_total_mib,
            memory_reserved_mib=gpu.memory_reserved_mib,
            memory_used_mib=min(memory_used_mib(claims, gpu.uuid), gpu.memory_usable_mib),
            busy_ratio=round(busy, 3),
            power_w=round(power_w, 1),
            power_limit_w=gpu.power_limit_w,
            temperature_c=round(temperature_c, 1),
            energy_mj=int(energy_mj),
            errors=errors,
            recovery=recovery,
            processes=tuple(_process(claim, gpu.uuid, demand) for claim in claims if gpu.uuid in claim.gpus),
        )
        reading = replace(reading, **plausible.figures(gpu.uuid, claims, busy, temperature_c))
        self._last[gpu.uuid] = replace(reading, seen_unix_s=self._wall())
        return reading

    def _heat(self, uuid: str, busy: float, demand: float, elapsed_s: float) -> float:
        target_c = COOL_C + _HEAT_C * busy + 8.0 * max(0.0, min(demand, 2.0) - 1.0)
        before_c = self._temperature_c.get(uuid, COOL_C)
        self._temperature_c[uuid] = before_c + (target_c - before_c) * min(1.0, elapsed_s / _SETTLE_S)
        return self._temperature_c[uuid]


def _process(claim: Claim, uuid: str, demand: float) -> GpuProcess:
    return GpuProcess(
        pid=claim.pid,
        name=claim.name,
        user=claim.user,
        memory_mib=claim.gpus[uuid],
        busy_ratio=round(claim.demand_ratio / max(1.0, demand), 3),
        instance=claim.instance,
    )


def _jittered(busy: float, uuid: str, now_s: float) -> float:
    """Readings of real GPUs are never flat; the same GPU at the same second always gets the same nudge."""
    if busy <= 0.0:
        return 0.0
    drawn = zlib.crc32(f"{uuid} {int(now_s)}".encode()) / 0xFFFFFFFF
    return min(1.0, max(0.0, busy * (1 + _JITTER_RATIO * (2 * drawn - 1))))


def _alive(pid: int) -> bool:
    found = tree.stat(pid)
    return found is not None and not found.zombie
