"""Families of metrics as a Prometheus text page (exposition format 0.0.4). Pure.

    Family(name, kind, help) ◄─ put(labels, value) ─┐ in any order
                                                    └─► page: HELP, TYPE and all series of a family together

What is not known has no series; a family without series is not on the page.
"""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"


class Family(msgspec.Struct, frozen=True):
    """`name` ends in its base unit, a counter's in `_total`."""

    name: str
    kind: MetricKind
    help: str


class Series:
    """What one page says, gathered family by family."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._values: dict[str, dict[str, float]] = {family.name: {} for family in families}
        self._families = {family.name: family for family in families}

    def put(self, name: str, labels: Mapping[str, str], value: float | None) -> None:
        """None is unknown, and puts nothing. The name is that of a family: KeyError for another."""
        told = self._values[name]
        if value is not None and not math.isnan(value):
            told[_labels(labels)] = value

    def page(self) -> str:
        lines: list[str] = []
        for name, told in self._values.items():
            if told:
                family = self._families[name]
                lines += (f"# HELP {name} {_escaped(family.help)}", f"# TYPE {name} {family.kind}")
                lines += (f"{name}{labels} {_number(value)}" for labels, value in told.items())
        return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    """Without the empty ones, which mean the same as none."""
    told = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items() if value)
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
