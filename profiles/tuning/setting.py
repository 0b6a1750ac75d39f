"""The knobs of an instance as they stand: what the option is called, what it is now, whether it can be turned."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from engines.base import Engine
from engines.tuning import Dial, Knob, Tuned
from profiles.desired.model import InstanceSpec

GRAIN = 8
"""Batches are computed, and CUDA graphs captured, in multiples of it."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """`value` None is not known. `fixed` says why it is not turned here; "" where it is."""

    knob: Knob
    option: str = ""
    value: float | None = None
    least: float = 0.0
    most: float = 0.0
    fixed: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """The option; of an engine that has none, what it would be for."""
        return self.option or self.knob.replace("_", " ")

    def rounded(self, value: float) -> float:
        """What can be set of `value`: within its bounds, and no finer than anybody would write it."""
        bounded = min(max(value, self.least), self.most)
        if self.knob is Knob.MEMORY_SHARE:
            return math.floor(bounded * 100 + 1e-6) / 100
        return float(round(bounded / GRAIN) * GRAIN if bounded >= 2 * GRAIN else int(bounded))


def settings_of(engine: Engine, specs: Sequence[InstanceSpec]) -> dict[Knob, Setting]:
    """Of replicas of one service; where they are set apart, they are not turned together."""
    dials = engine.dials if isinstance(engine, Tuned) else {}
    return {knob: _setting(knob, dials, engine.name, specs) for knob in Knob}


def _setting(knob: Knob, dials: Mapping[Knob, Dial], engine: str, specs: Sequence[InstanceSpec]) -> Setting:
    dial = dials.get(knob)
    if dial is None:
        return Setting(knob=knob, fixed=f"{engine} has no option for it")
    said = {spec.options.get(dial.option) for spec in specs}
    value = next(iter(said)) if len(said) == 1 else None
    known = float(value) if isinstance(value, (int, float)) and value > 0 else dial.unset if value is None else None
    parts = {part.text() for spec in specs for part in spec.slices if not part.whole}
    fixed = ""
    if len(said) > 1:
        fixed, known = "replicas are set apart: tune one of them by its name", None
    elif knob is Knob.MEMORY_SHARE and parts:
        fixed = f"it follows from what the profile asks for of a GPU, {', '.join(sorted(parts))}: change `gpus`"
    return Setting(
        knob=knob, option=dial.option, value=known, least=dial.least, most=dial.most, fixed=fixed, note=dial.note
    )
