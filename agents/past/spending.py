"""From the files of the history to what each GPU was given to: an answer that a console can price.

    segments ──newest first──► Tally per part ──► GpuTime (profiles.money.spent)

A step counts whole, and only where it was observed: what nobody saw is in no sum.
"""

from agents import wire
from agents.errors import Refused
from agents.past.history import History
from agents.past.recall import LONGEST_S, from_disk
from agents.past.segments import Placed
from agents.past.steps import STEP_SLOTS, Values, values_of
from profiles.money.spent import WHOLE, GpuStep, Holding, Tally
from profiles.observed.history import FIELDS, HistoryKind
from profiles.observed.status import Phase

MAX_PARTS = 48
_PHASES = {str(phase): phase for phase in Phase}
_GPU_FIELDS = list(FIELDS[HistoryKind.GPU])
_BUSY, _POWER, _FOREIGN = map(_GPU_FIELDS.index, ("busy_ratio", "power_w", "foreign_memory_mib"))


async def spent(history: History, ask: wire.ReadSpent) -> wire.Spent:
    """Raises Refused."""
    if not (0 < ask.last_s <= LONGEST_S and 1 <= ask.parts <= MAX_PARTS):
        raise Refused("invalid", f"no {ask.parts} parts of {ask.last_s:g} s", f"up to a week, in {MAX_PARTS} parts")
    part_s = max(float(STEP_SLOTS), ask.last_s / ask.parts)
    to_unix_s = history.unix_s(history.slot // STEP_SLOTS * STEP_SLOTS)
    from_unix_s = to_unix_s - part_s * ask.parts
    memory_mib = {gpu.uuid: gpu.memory_total_mib for gpu in history.gpus()}
    tally, seen = Tally(ask.parts), [0] * ask.parts
    async with history.asking:
        async for at_unix_s, placed in from_disk(history, from_unix_s, to_unix_s):
            middle_s = at_unix_s + STEP_SLOTS / 2 - from_unix_s
            if middle_s < 0:
                break
            part = min(int(middle_s // part_s), ask.parts - 1)
            tally.add(part, STEP_SLOTS, _gpus(placed, memory_mib), _held(placed))
            seen[part] += STEP_SLOTS
    boards = {gpu.uuid: gpu.name for gpu in history.gpus()}
    parts = (wire.SpentPart(seen_s=seen[at], gpus=tally.result(at, boards)) for at in range(ask.parts))
    return wire.Spent(to_unix_s=to_unix_s, part_s=part_s, parts=tuple(parts))


def _gpus(placed: Placed, memory_mib: dict[str, int | None]) -> dict[str, GpuStep]:
    return {uuid: _gpu(values, memory_mib.get(uuid)) for uuid, values in placed.step.gpus.items()}


def _gpu(plain: Values, memory_mib: int | None) -> GpuStep:
    values = [None if value != value else value for value in values_of(plain, len(_GPU_FIELDS))]
    foreign_mib = values[_FOREIGN] or 0.0
    foreign = int(foreign_mib) * WHOLE // memory_mib if memory_mib else 0
    return GpuStep(busy_ratio=values[_BUSY], power_w=values[_POWER], foreign=foreign)


def _held(placed: Placed) -> dict[str, tuple[Phase, Holding]]:
    """Instances that hold parts of GPUs, or held them until they failed."""
    found = {}
    for name, one in placed.step.instances.items():
        phase = _PHASES.get(one.phase or "")
        holding = placed.holdings.get(one.holds) if one.holds is not None else None
        if phase is not None and holding is not None:
            found[name] = (phase, holding)
    return found
