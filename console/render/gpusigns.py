"""What stands against a GPU, in a few words: errors, health, throttling; and how it is divided."""

from collections.abc import Iterator

from console.render.table import Cell, Tone
from profiles.observed.gpus import NORMAL_AT_FULL_LOAD, GpuHealth, Recovery
from profiles.observed.status import GpuReading
from profiles.observed.xids import meaning

RECENT_S = 900.0
"""For so long an error that was one of an engine is worth a look at its GPU."""
HELD_BACK_RATIO = 0.05

Sign = tuple[str, Tone]


def throttled(gpu: GpuReading) -> str:
    """What slows `gpu` down and should not, with its share of the time where that is known; "" when nothing does."""
    shares = {reason: ratio for reason, ratio in gpu.throttled_ratio.items() if reason not in NORMAL_AT_FULL_LOAD}
    worst = max(shares, key=shares.__getitem__, default="")
    if worst and shares[worst] >= HELD_BACK_RATIO:
        return f"{worst.replace('_', ' ')} {100 * shares[worst]:.0f}%"
    return next((reason.replace("_", " ") for reason in gpu.throttle if reason not in NORMAL_AT_FULL_LOAD), "")


def signs(gpu: GpuReading, now_unix_s: float) -> list[Sign]:
    """Worst first; nothing on an ordinary day."""
    found = [*_xids(gpu, now_unix_s), *_errors(gpu)]
    if gpu.recovery not in (None, Recovery.NONE):
        found.append((f"wants {gpu.recovery.replace('_', ' ')}", Tone.BAD))
    if reason := throttled(gpu):
        found.append((reason, Tone.WARN))
    if gpu.mig is not None and gpu.mig.current != gpu.mig.pending:
        found.append((f"MIG {'on' if gpu.mig.pending else 'off'} after a reset", Tone.WARN))
    elif gpu.mig is not None and gpu.mig.current:
        found.append((f"MIG {len(gpu.mig_devices)}" if gpu.mig_devices else "MIG, empty", Tone.DIM))
    order = [Tone.BAD, Tone.WARN, Tone.PLAIN, Tone.DIM]
    return sorted(found, key=lambda sign: order.index(sign[1]))


def signs_cell(gpu: GpuReading, now_unix_s: float) -> Cell:
    found = signs(gpu, now_unix_s)
    return (
        Cell(", ".join(text for text, _ in found), float(-len(found)) if found else None, found[0][1])
        if found
        else Cell("")
    )


def health_cell(gpu: GpuReading) -> Cell | None:
    """None on a GPU that may be given to anything."""
    if gpu.health in (GpuHealth.OK, GpuHealth.LOST):
        return None
    if gpu.health is GpuHealth.STALLED:
        return Cell("~ stalled", 2.5, Tone.WARN)
    bad = gpu.health is GpuHealth.DRAIN
    return Cell(f"! {gpu.health}", 1.2 if bad else 1.6, Tone.BAD if bad else Tone.WARN)


def _xids(gpu: GpuReading, now_unix_s: float) -> Iterator[Sign]:
    for xid in sorted(gpu.xids, key=lambda one: one.at_unix_s, reverse=True):
        text = f"XID {xid.number}" + (f" ×{xid.count}" if xid.count > 1 else "")
        known = meaning(xid.number)
        if known.stops_placing:
            yield text, Tone.BAD
        else:
            yield text, Tone.WARN if now_unix_s - xid.at_unix_s < RECENT_S else Tone.DIM


def _errors(gpu: GpuReading) -> Iterator[Sign]:
    if gpu.errors is None:
        return
    if gpu.errors.remap_failed:
        yield "remap failed", Tone.BAD
    elif gpu.errors.remap_pending:
        yield "remap pending", Tone.WARN
    if gpu.errors.ecc_uncorrected:
        yield f"ECC {gpu.errors.ecc_uncorrected}", Tone.WARN
