"""Where an apply stands, from what it tells: the command line and the screen draw the same."""

from collections.abc import Callable

from console.rollout.gate import STARTS
from console.rollout.told import Began, Failed, Over, Soaking, Told
from console.settling import Settling
from profiles.plans.plan import Step


class Course:
    """`clock` counts seconds. Times of waves that are over are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began: Began | None = None
        self.steps: dict[tuple[str, str], Settling] = {}
        """Of the wave in hand."""
        self.ratios: dict[tuple[str, str], float] = {}
        """How far each of them is: what was reached stays, also where a step of a load says nothing of it."""
        self.past: list[tuple[Began, float]] = []
        """Waves that are over, each with the seconds that it took."""
        self.failed: list[Failed] = []
        self.over: Over | None = None
        self._since_s = clock()
        self._soaks_until_s: float | None = None

    def take(self, told: Told) -> None:
        match told:
            case Began():
                self._end_wave()
                self.began, self.over = told, None
                self.steps = {_key(step): Settling(step=step, status=None, ok=None) for step in told.steps}
            case Settling():
                self.steps[_key(told.step)] = told
                self.ratios[_key(told.step)] = max(self.ratios.get(_key(told.step), 0.0), _ratio(told))
            case Soaking(seconds=seconds):
                self._soaks_until_s = self._clock() + seconds
            case Failed():
                self.failed.append(told)
            case Over():
                self._end_wave()
                self.over = told

    @property
    def wave_s(self) -> float:
        """Since the wave in hand began."""
        return self._clock() - self._since_s

    @property
    def soak_left_s(self) -> float | None:
        """None where nothing soaks."""
        return None if self._soaks_until_s is None else max(0.0, self._soaks_until_s - self._clock())

    def in_hand(self) -> Step | None:
        """The first that is not there yet."""
        return next((now.step for now in self.steps.values() if now.ok is None), None)

    def _end_wave(self) -> None:
        if self.began is not None:
            self.past.append((self.began, self.wave_s))
        self.began, self.steps, self.ratios = None, {}, {}
        self._since_s, self._soaks_until_s = self._clock(), None


def _ratio(now: Settling) -> float:
    """Of a load by what its last one took, else by its own word."""
    if now.ok:
        return 1.0
    load = now.status.load if now.status else None
    if now.step.action not in STARTS or load is None:
        return 0.0
    if load.expected_s and load.elapsed_s is not None:
        return min(0.95, load.elapsed_s / load.expected_s)
    return load.ratio or 0.0


def _key(step: Step) -> tuple[str, str]:
    return step.node, step.instance
