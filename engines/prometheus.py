"""Read the wanted families of a Prometheus text page (exposition format 0.0.4), and nothing else of it."""

import math
import re
from collections.abc import Iterable, Mapping

from engines.base import Histogram

Labels = tuple[tuple[str, str], ...]

_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Page:
    """The series of one scrape, by metric name. None means that the page does not have it.

    Never raises: a line that cannot be read is skipped, and so is a last line without its newline,
    because a number that was cut off still looks like a number.
    """

    def __init__(self, text: str, families: Iterable[str]) -> None:
        wanted = {name + suffix for name in families for suffix in ("", "_bucket", "_sum")}
        self._series: dict[str, list[tuple[Labels, float]]] = {}
        for line in text[: text.rfind("\n") + 1].split("\n"):
            if line[:1] == "#":
                continue
            brace, space = line.find("{"), line.find(" ")
            end = brace if 0 < brace < space else space
            if end > 0 and line[:end] in wanted:
                self._add(line[:end], line[end:])

    def _add(self, name: str, rest: str) -> None:
        labels, value = _split(rest)
        if value is not None:
            self._series.setdefault(name, []).append((labels, value))

    def __contains__(self, name: str) -> bool:
        return name in self._series or f"{name}_bucket" in self._series

    def series(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Every series of `name`: its labels, and a finite value."""
        return [(dict(labels), value) for labels, value in self._series.get(name, ()) if math.isfinite(value)]

    def total(self, name: str, without: Mapping[str, str] | None = None) -> float | None:
        """The sum over all series, except those that carry every label of `without`."""
        left_out = set((without or {}).items())
        values = [
            value
            for labels, value in self._series.get(name, ())
            if not (left_out and left_out <= set(labels)) and math.isfinite(value)
        ]
        return sum(values) if values else None

    def by(self, name: str, label: str) -> dict[str, float] | None:
        """Sums by the value of a label; None where the page does not have the metric."""
        found: dict[str, float] = {}
        for labels, value in self.series(name):
            if (key := labels.get(label)) is not None:
                found[key] = found.get(key, 0.0) + value
        return found or None

    def where(self, name: str, label: str, wanted: str) -> float | None:
        """The sum over the series whose `label` is `wanted`."""
        values = [v for labels, v in self._series.get(name, ()) if (label, wanted) in labels and math.isfinite(v)]
        return sum(values) if values else None

    def peak(self, name: str) -> float | None:
        """The largest of all series: for ratios, which do not add up."""
        values = [value for _, value in self._series.get(name, ()) if math.isfinite(value)]
        return max(values) if values else None

    def histogram(self, name: str) -> Histogram | None:
        """All label sets added up. None where one of them is incomplete, or where their bounds differ."""
        groups: dict[Labels, dict[float, float]] = {}
        for labels, count in self._series.get(f"{name}_bucket", ()):
            bound = _number(dict(labels).get("le", ""))
            if bound is None or math.isnan(bound):
                return None
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, {})[bound] = count
        sums = dict(self._series.get(f"{name}_sum", ()))
        if not groups or groups.keys() != sums.keys():
            return None
        bounds = sorted(next(iter(groups.values())))
        rows = [[group[bound] for bound in bounds] for group in groups.values() if sorted(group) == bounds]
        if len(rows) != len(groups) or bounds[-1] != math.inf or not all(map(_is_cumulative, rows)):
            return None
        total_s = sum(sums.values())
        if not math.isfinite(total_s):
            return None
        return Histogram(tuple(bounds[:-1]), tuple(map(sum, zip(*rows, strict=True))), total_s)


def _is_cumulative(counts: list[float]) -> bool:
    return all(map(math.isfinite, counts)) and counts[0] >= 0 and counts == sorted(counts)


def _split(rest: str) -> tuple[Labels, float | None]:
    """Labels and value of what follows a metric's name; a time stamp after the value is left out."""
    labels: Labels = ()
    if rest.startswith("{"):
        close = rest.rfind("}")
        if close < 0:
            return (), None
        found = _LABEL.findall(rest, 1, close)
        labels = tuple(sorted((key, _ESCAPED.sub(_unescape, value)) for key, value in found))
        rest = rest[close + 1 :]
    words = rest.split(maxsplit=1)
    return labels, _number(words[0]) if words else None


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
