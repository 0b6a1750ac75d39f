"""An engine's metric names in a table: our field → their names, newest first, the first present one wins."""

from collections.abc import Mapping

import msgspec

from engines.base import EngineSample
from engines.prometheus import Page

Names = Mapping[str, tuple[str, ...]]


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """`totals` add up over all series, `peaks` take the largest, `histograms` merge their label sets.

    `also` are families that the adapter reads from the page itself.
    """

    totals: Names = {}
    peaks: Names = {}
    histograms: Names = {}
    also: tuple[str, ...] = ()

    def page(self, metrics: str) -> Page:
        tables = (self.totals, self.peaks, self.histograms)
        families = {name for table in tables for names in table.values() for name in names}
        return Page(metrics, families.union(self.also))

    def sample(self, page: Page) -> EngineSample:
        numbers = {field: page.total(_present(page, names)) for field, names in self.totals.items()}
        numbers |= {field: page.peak(_present(page, names)) for field, names in self.peaks.items()}
        histograms = {field: page.histogram(_present(page, names)) for field, names in self.histograms.items()}
        return msgspec.convert({**numbers, **histograms}, EngineSample)


def _present(page: Page, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in page), names[0])
