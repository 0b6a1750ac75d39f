"""The rule that everybody knows: over 90 % utilization ×1.2, under 60 % ×0.8. For comparison; it is not the default.

Utilization is the GPU's, as every dashboard draws it, and the factor is for every knob. What the rule cannot see:

- NVML's utilization says that some kernel ran, not how much of the GPU it had: one request at a time is 100 % too. A
  batch that is too large and one that is too small look alike, and the rule makes both larger.
- no queue: at night it takes away what the morning needs, and a burst is over before its mean is over 90 %.
- no KV cache: a larger batch in a full cache is pushed out of it and computed twice, which is utilization again.
- no promise: it goes on when tokens are late. It stops only between 60 and 90 %, and traffic puts it there, no setting.
- no owner: what a neighbour on the same GPU computes counts like one's own.
"""

from engines.tuning import Knob
from profiles.tuning.advice import Advice, leave, stays_put, turn, unknown, unmeasured
from profiles.tuning.setting import Setting
from profiles.tuning.use import Use

HIGH, LOW = 0.9, 0.6
UP, DOWN = 1.2, 0.8


def advise(use: Use) -> tuple[Advice, ...]:
    return unmeasured(use) or tuple(_advise(use.settings[knob], use) for knob in Knob)


def _advise(setting: Setting, use: Use) -> Advice:
    if use.busy is None:
        return stays_put(setting) or unknown(setting, "the utilization of its GPUs is not told")
    busy, numbers = use.busy.mean, f"GPU {use.busy.mean:.0%} busy"
    if busy > HIGH:
        return turn(setting, (setting.value or 0.0) * UP, f"over {HIGH:.0%} utilization", numbers)
    if busy < LOW:
        return turn(setting, (setting.value or 0.0) * DOWN, f"under {LOW:.0%} utilization", numbers)
    return stays_put(setting) or leave(setting, f"between {LOW:.0%} and {HIGH:.0%} utilization", numbers)
