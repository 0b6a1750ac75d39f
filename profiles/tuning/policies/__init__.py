"""The policies by name. One is a file of its own that knows no other: `advise(use)`, one Advice for each knob."""

from collections.abc import Callable, Mapping

from profiles.tuning.advice import Advice
from profiles.tuning.policies import headroom, utilization
from profiles.tuning.use import Use

Policy = Callable[[Use], tuple[Advice, ...]]

DEFAULT = "headroom"
POLICIES: Mapping[str, Policy] = {DEFAULT: headroom.advise, "utilization-1.2-0.8": utilization.advise}
