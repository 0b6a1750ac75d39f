"""How far the load of a model is, in words."""

from console.render.text import age, percent
from engines.base import LoadProgress


def load_text(load: LoadProgress) -> str:
    """`loading weights 40%, about 25s left`; the end is guessed by what the last load took."""
    step = load.step if load.ratio is None else f"{load.step} {percent(load.ratio)}"
    if load.expected_s is None or load.elapsed_s is None:
        return step
    left_s = load.expected_s - load.elapsed_s
    return f"{step}, about {age(left_s)} left" if left_s >= 1 else f"{step}, {age(-left_s)} longer than last time"
