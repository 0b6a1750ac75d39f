"""What engines observed between two steps of the history, from the histograms that they count since their start."""

from dataclasses import dataclass

from engines.base import EngineSample, Histogram
from profiles.latency.slo import window
from profiles.observed.history import HISTOGRAMS

FORGOTTEN_AFTER = 90
"""Steps without a scrape: a quarter of an hour."""


@dataclass
class _Engine:
    incarnation: int
    marked: EngineSample
    """As of the last step that it was scraped in."""
    latest: EngineSample
    silent: int = 0


class Scrapes:
    """Between scrapes that were missed nothing is lost: the next step has it all. The first scrape only marks."""

    def __init__(self) -> None:
        self._engines: dict[str, _Engine] = {}

    def add(self, name: str, incarnation: int, sample: EngineSample) -> None:
        """The newest scrape; another incarnation counts anew."""
        known = self._engines.get(name)
        if known is None or known.incarnation != incarnation:
            self._engines[name] = _Engine(incarnation, sample, sample)
        else:
            known.latest = sample

    def take(self) -> dict[str, dict[str, Histogram]]:
        """Name → field → what was observed since the last call, of the engines that were scraped since."""
        taken = {}
        for name, engine in list(self._engines.items()):
            if engine.latest is engine.marked:
                engine.silent += 1
                if engine.silent >= FORGOTTEN_AFTER:
                    del self._engines[name]
                continue
            taken[name] = _between(engine.marked, engine.latest)
            engine.marked, engine.silent = engine.latest, 0
        return taken


def _between(older: EngineSample, newer: EngineSample) -> dict[str, Histogram]:
    found = {}
    for field in HISTOGRAMS:
        before, after = getattr(older, field), getattr(newer, field)
        if before is not None and after is not None and (seen := window(before, after)) is not None:
            found[field] = seen
    return found
