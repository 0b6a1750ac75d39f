"""The default: give more of what requests wait for, as far as what they would then press on has room.

    waits for                 told by                            more of it, unless
    ──────────────────────────────────────────────────────────────────────────────────────────────────────
    room in the KV cache      it is full, or requests are        the GPU's memory is given out: then fewer
                              pushed out of it                   sequences, no more than fit
    a place in the batch      a queue, and the batch is full     the cache or the promise of ITL has no room
    shorter steps             ITL burns, TTFT does not           – (half the tokens a step, else fewer sequences)
    larger steps              TTFT burns, ITL does not, and      –
                              neither batch nor cache is full

What nothing waits for is left: a limit that is never reached holds nobody back and costs next to nothing. Each step is
bounded by what was measured: a batch grows to the demand that was seen, tokens take at most in proportion longer, and
the cache fills in proportion. So it settles, and does not swing.
"""

from engines.tuning import Knob
from profiles.tuning.advice import (
    Advice,
    batch_text,
    cache_text,
    leave,
    met_text,
    queue_text,
    stays_put,
    turn,
    unknown,
    unmeasured,
)
from profiles.tuning.setting import Setting
from profiles.tuning.use import Level, Met, Use

FULL_RATIO = 0.95
"""Of the cache, or of the batch, at its 95th percentile."""
STORM_PER_S = 0.05
QUEUED_RATIO = 0.1
"""Of the time: a queue that comes and goes with single requests is none."""
SPARE_RATIO = 0.05
"""Kept of the cache and of a promised time for what was not in the window."""
STEP = 2.0
WORTH = 1.1
"""A batch that could grow by less is left: a restart costs more."""
WORTH_SHARE = 0.02
BURNS, CALM = 1.0, 0.5


def advise(use: Use) -> tuple[Advice, ...]:
    return unmeasured(use) or (_sequences(use), _tokens(use), _share(use))


def _sequences(use: Use) -> Advice:
    setting, running = use.settings[Knob.SEQUENCES], use.running
    if stuck := stays_put(setting):
        return stuck
    if running is None or use.waiting is None or setting.value is None:
        return unknown(setting, "running and waiting requests are not told")
    batch = batch_text(running, setting.value)
    if _short_of_cache(use):
        if _share(use).to is not None:
            return leave(setting, "first more memory for the KV cache, then see", cache_text(use))
        if not _storms(use):
            return leave(setting, "what waits, waits for room in the KV cache", batch, cache_text(use))
        return turn(setting, min(setting.value, running.mean) * (1 - SPARE_RATIO),
                    "no more than fit into the KV cache: the rest is pushed out and computed twice", batch,
                    cache_text(use))  # fmt: skip
    if (late := _late(use)) is not None and use.settings[Knob.BATCHED_TOKENS].value is None:
        if running.p95 < setting.value / 2:
            return leave(setting, "tokens are late, and not because of the batch", batch, met_text(late))
        return turn(setting, running.p95 * _within(late), "fewer at a time: tokens are late", batch, met_text(late))
    if not _batch_is_full(use, setting, running):
        return leave(setting, "nobody waits for a place in the batch", batch, queue_text(use))
    return _larger(use, setting, setting.value, running)


def _larger(use: Use, setting: Setting, value: float, running: Level) -> Advice:
    """As large as who waited, as the cache, and as the promise allow: the least of them decides."""
    waiting = use.waiting.p95 if use.waiting else 0.0
    bounds = [((running.p95 + waiting) / value, "as many as ran and waited"), (STEP, "twice as many, then see")]
    numbers = [batch_text(running, value), queue_text(use)]
    if use.kv_usage is None:
        return unknown(setting, "requests wait and the batch is full, but whether the KV cache has room is not told")
    numbers.append(cache_text(use))
    if use.kv_usage.p95:
        bounds.append(((1 - SPARE_RATIO) / use.kv_usage.p95, "as many as the KV cache holds"))
    if (itl := use.worst("itl")) is not None:
        bounds.append((_within(itl), f"as many as {itl.name} allows"))
        numbers.append(met_text(itl))
    factor, why = min(bounds)
    if factor < WORTH:
        return leave(setting, f"the batch is full, and has {why} already: more replicas help", *numbers)
    return turn(setting, value * factor, f"requests wait for a place in a full batch: {why}", *numbers)


def _tokens(use: Use) -> Advice:
    setting = use.settings[Knob.BATCHED_TOKENS]
    if stuck := stays_put(setting):
        return stuck
    ttft, itl, value = use.worst("ttft"), use.worst("itl"), setting.value or 0.0
    if ttft is None or itl is None:
        return unknown(setting, "it trades TTFT for ITL: promise both under `slo`, and let there be traffic")
    numbers = (met_text(ttft), met_text(itl))
    if ttft.burn.low >= BURNS and itl.burn.low >= BURNS:
        return leave(setting, "both are late: no setting helps one without the other, more replicas do", *numbers)
    if itl.burn.low >= BURNS and ttft.burn.high < CALM:
        return turn(setting, value / STEP, "shorter steps: tokens are late, first tokens are not", *numbers)
    running, sequences = use.running, use.settings[Knob.SEQUENCES]
    waits_elsewhere = _short_of_cache(use) or (running is not None and _batch_is_full(use, sequences, running))
    if ttft.burn.low >= BURNS and itl.burn.high < CALM and not waits_elsewhere:
        return turn(setting, value * STEP, "larger steps: first tokens are late, the others are not", *numbers)
    if ttft.burn.low >= BURNS and waits_elsewhere:
        return leave(setting, "first tokens are late because of the queue, not of the size of a step", *numbers)
    return leave(setting, "neither is late for the size of a step", *numbers)


def _share(use: Use) -> Advice:
    setting = use.settings[Knob.MEMORY_SHARE]
    if stuck := stays_put(setting):
        return stuck
    if use.kv_usage is None:
        return unknown(setting, "its use of the KV cache is not told")
    if not _short_of_cache(use):
        return leave(setting, "the KV cache is large enough", cache_text(use))
    if use.room_ratio is None:
        return unknown(setting, "the KV cache is full, but how much of its GPUs is free is not told")
    room = f"{use.room_ratio:.0%} of its fullest GPU is free"
    to = setting.rounded((setting.value or 0.0) + use.room_ratio)
    if to - (setting.value or 0.0) < WORTH_SHARE:
        return leave(setting, "the KV cache is full, and so is the GPU: more replicas help", cache_text(use), room)
    return turn(setting, to, "what is free of the GPU, for the KV cache", cache_text(use), room)


def _short_of_cache(use: Use) -> bool:
    return _storms(use) or (use.kv_usage is not None and use.kv_usage.p95 >= FULL_RATIO)


def _storms(use: Use) -> bool:
    return (use.preempted_per_s or 0.0) >= STORM_PER_S


def _batch_is_full(use: Use, setting: Setting, running: Level) -> bool:
    """And somebody waits for it: for long enough, or where first tokens are late for it."""
    if setting.value is None or running.p95 < FULL_RATIO * setting.value:
        return False
    ttft = use.worst("ttft")
    late = ttft is not None and ttft.burn.low >= BURNS and bool(use.queued_ratio)
    return late or (use.queued_ratio or 0.0) >= QUEUED_RATIO


def _late(use: Use) -> Met | None:
    """Tokens after the first, surely."""
    itl = use.worst("itl")
    return itl if itl is not None and itl.burn.low >= BURNS else None


def _within(met: Met) -> float:
    """By which factor its time may grow; under 1 it has to shrink."""
    return (1 - SPARE_RATIO) * met.target_s / met.about_s if met.about_s else STEP
