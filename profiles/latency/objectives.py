"""What a service promises: as people write it under `slo:`, and as a node counts it.

{ttft_p95: 800ms, itl_p95: 50ms, errors: 0.1%, min_ready: 1}

`ttft_p95: 800ms` lets five in a hundred be slower. `errors` is the share of requests that may fail. `min_ready` is how
many replicas must serve: fewer is DOWN.
"""

import re

import msgspec

from profiles.latency.burn import Objective
from profiles.text.units import duration_s, duration_text

ERRORS, READY = "errors", "ready"
UNREADY_RATIO = 0.001
"""Of the time, that a replica may be away before it burns, where `errors` says nothing else."""

_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,4})?)%", re.ASCII)


class BadSlo(ValueError):
    """A promise that cannot be counted; `key` is its name."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """`errors_ratio` None promises nothing."""

    latency: tuple[Objective, ...] = ()
    errors_ratio: float | None = None
    min_ready: int | None = None

    def allowed(self) -> dict[str, float]:
        """Share that may miss, by what is counted."""
        found = {one.name: one.allowed_ratio for one in self.latency}
        if self.errors_ratio is not None:
            found[ERRORS] = self.errors_ratio
        if found or self.min_ready is not None:
            found[READY] = self.errors_ratio or UNREADY_RATIO
        return found

    def written(self) -> dict[str, str | int]:
        """As under `slo:` of a profile."""
        found: dict[str, str | int] = {one.name: duration_text(one.target_s) for one in self.latency}
        if self.errors_ratio is not None:
            found["errors"] = f"{100 * self.errors_ratio:.6g}%"
        if self.min_ready is not None:
            found["min_ready"] = self.min_ready
        return found


class SloRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Targets of a service; what is left out is not promised."""

    ttft_p50: str | None = None
    ttft_p90: str | None = None
    ttft_p95: str | None = None
    ttft_p99: str | None = None
    itl_p50: str | None = None
    itl_p90: str | None = None
    itl_p95: str | None = None
    itl_p99: str | None = None
    e2e_p50: str | None = None
    e2e_p90: str | None = None
    e2e_p95: str | None = None
    e2e_p99: str | None = None
    errors: str | None = None
    min_ready: int | None = None

    def slo(self, replicas: int) -> Slo:
        """Raises BadSlo."""
        named = [name for name in self.__struct_fields__ if "_p" in name]
        latency = [_objective(name, text) for name in named if (text := getattr(self, name)) is not None]
        if self.min_ready is not None and not 0 <= self.min_ready <= replicas:
            hint = "ask for fewer, or run more replicas"
            raise BadSlo("min_ready", f"`min_ready` is {self.min_ready} of {replicas} replicas", hint)
        errors = None if self.errors is None else _ratio(self.errors)
        return Slo(latency=tuple(latency), errors_ratio=errors, min_ready=self.min_ready)


def _objective(name: str, text: str) -> Objective:
    target_s = duration_s(text)
    if not target_s:
        raise BadSlo(name, f"`{text}` is no time", "a number and ms or s: `800ms`")
    field, _, percentile = name.partition("_p")
    return Objective(name, field, target_s, round(1 - int(percentile) / 100, 6))


def _ratio(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if found is None or not float(found[1]):
        raise BadSlo(ERRORS, f"`{text}` is no share of requests", "more than 0% and less than 100%: `0.1%`")
    return float(found[1]) / 100
