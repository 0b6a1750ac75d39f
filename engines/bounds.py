"""Bounds of latency histograms: a target among them makes the share of requests that met it exact.

Without one, what fell into the bucket around the target may have met it or not, and a burn is a range.
"""

from collections.abc import Iterable, Mapping


def with_targets(
    defaults: Mapping[str, tuple[float, ...]], targets_s: Mapping[str, Iterable[float]]
) -> dict[str, tuple[float, ...]]:
    """Field → its default bounds with the targets among them; fields that have theirs already are left out."""
    found = {}
    for field, bounds in defaults.items():
        if missing := set(targets_s.get(field, ())) - set(bounds):
            found[field] = tuple(sorted({*bounds, *missing}))
    return found
