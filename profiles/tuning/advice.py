"""What a policy says of one knob: turn it, leave it, or that it cannot be told, and by which numbers."""

import math

import msgspec

from engines.tuning import Knob
from profiles.latency.slo import Quantile
from profiles.text.units import duration_text
from profiles.tuning.setting import Setting
from profiles.tuning.use import Level, Met, Use


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """`to` None leaves it; `unknown` says that what would decide it was not told."""

    setting: Setting
    why: str
    numbers: tuple[str, ...] = ()
    to: float | None = None
    unknown: bool = False


def turn(setting: Setting, to: float, why: str, *numbers: str) -> Advice:
    """To what can be set of `to`; left where that is no other value, or is not known or not turned here."""
    if stuck := stays_put(setting):
        return msgspec.structs.replace(stuck, numbers=numbers)
    value = setting.rounded(to)
    if value == setting.value:
        bound = {setting.most: "it is at the most", setting.least: "it is at the least"}.get(value)
        return leave(setting, f"{bound} that is advised" if bound else "it is where it should be, to a step", *numbers)
    note = f"; {setting.note}" if setting.note else ""
    return Advice(setting=setting, to=value, why=f"{why}{note}", numbers=numbers)


def leave(setting: Setting, why: str, *numbers: str) -> Advice:
    return Advice(setting=setting, why=why, numbers=numbers)


def unknown(setting: Setting, why: str) -> Advice:
    return Advice(setting=setting, why=why, unknown=True)


def stays_put(setting: Setting) -> Advice | None:
    """Where no number could turn it."""
    if setting.fixed:
        return leave(setting, setting.fixed)
    if setting.value is None:
        return unknown(setting, "it is left to the engine, and what that chose is not told: set it once")
    return None


def unmeasured(use: Use) -> tuple[Advice, ...] | None:
    """Of every knob the same, where there was nothing to measure; None where there was."""
    if use.running is None:
        why = "no reading of it in this window: it did not run, or its engine does not tell"
    elif not use.requests_per_s and not use.running.most:
        why = "no traffic in this window"
    else:
        return None
    return tuple(unknown(use.settings[knob], why) for knob in Knob)


def batch_text(running: Level, most: float | None) -> str:
    """`31.8 of 32 running`."""
    return f"{running.mean:.1f}{'' if most is None else f' of {most:.0f}'} running, p95 {running.p95:.0f}"


def queue_text(use: Use) -> str:
    if use.waiting is None or use.queued_ratio is None:
        return "queue not told"
    return f"{use.waiting.mean:.1f} waiting, p95 {use.waiting.p95:.0f}, {use.queued_ratio:.0%} of the time"


def cache_text(use: Use) -> str:
    if use.kv_usage is None:
        return "KV cache not told"
    lost = f", {use.preempted_per_s:.2f} preempted/s" if use.preempted_per_s else ""
    return f"KV cache {use.kv_usage.mean:.0%}, p95 {use.kv_usage.p95:.0%}{lost}"


def met_text(met: Met) -> str:
    """`itl_p95 61 of 100ms, burn 0.2×`."""
    burn = met.burn
    times = f"{burn.low:.1f}×" if burn.low == burn.high else f"{burn.low:.1f}–{burn.high:.1f}×"
    return f"{met.name} {quantile_text(met.at_s)} of {duration_text(met.target_s)}, burn {times}"


def quantile_text(found: Quantile) -> str:
    """`61ms`, or the bucket that it is in."""
    if math.isinf(found.high_s):
        return f"over {found.low_s:.3g}s"
    low, high = (f"{value:.3g}s" if value >= 1 else f"{value * 1e3:.0f}ms" for value in (found.low_s, found.high_s))
    return low if found.low_s == found.high_s else f"{low}–{high}"
