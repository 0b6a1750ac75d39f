"""Where an apply stands, from what it tells: the command line and the screen draw the same."""

from collections.abc import Callable

from console.rollout.told import Began, Failed, Over, Soaking, Told
from console.settling import Settling
from profiles.plan import Step


class Course:
    """`clock` counts seconds. Times of waves that are over are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began: Began | None = None
        self.steps: dict[tuple[str, str], Settling] = {}
        """Of the wave in hand."""
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
        self.began, self.steps = None, {}
        self._since_s, self._soaks_until_s = self._clock(), None


def _key(step: Step) -> tuple[str, str]:
    return step.node, step.instance
