"""Alerts: rules × signs × now. Pure; whoever looks brings the time and what held before.

              sign                 for `for`               sign gone for `clear`
    nothing ───────► pending ───────────────► firing ────────────────────────────► resolved
                        │ sign gone              ▲ sign back ┘
                        └─► nothing

A sign that says since when it holds has waited already: a console that connects late calls at once. What is on a node
that does not answer stays as it was: silence is no proof that it is over.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from profiles.observed.finding import Severity
from profiles.watching.alertrules import Rule


class Stage(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertKey(NamedTuple):
    rule: str
    target: str


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for an alert now. `node` is who told it, "" for a console's own; `since_unix_s` None is not known."""

    rule: str
    target: str
    text: str
    node: str = ""
    severity: Severity | None = None
    """None is the rule's."""
    since_unix_s: float | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    rule: str
    target: str
    text: str
    severity: Severity
    stage: Stage
    since_unix_s: float
    """When its sign was there first."""
    node: str = ""
    gone_unix_s: float | None = None
    """Since when a firing one has no sign any more."""

    @property
    def key(self) -> AlertKey:
        return AlertKey(self.rule, self.target)


class Evaluated(NamedTuple):
    """`turned` began to fire, or are resolved; the latter are in `alerts` no more."""

    alerts: dict[AlertKey, Alert]
    turned: list[Alert]


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has it in hand; it ends with the alert."""

    rule: str
    target: str
    author: str
    at_unix_s: float


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is called for what matches, until its end: maintenance. `*` and `?` match in both patterns."""

    rule: str
    target: str
    until_unix_s: float
    author: str
    reason: str = ""

    def holds(self, key: AlertKey, now_unix_s: float) -> bool:
        return now_unix_s < self.until_unix_s and fnmatchcase(key.rule, self.rule) and fnmatchcase(
            key.target, self.target
        )  # fmt: skip


def evaluate(
    rules: Mapping[str, Rule],
    before: Mapping[AlertKey, Alert],
    signs: Iterable[Sign],
    now_unix_s: float,
    unseen: Collection[str] = (),
) -> Evaluated:
    """`unseen` are nodes of which this look says nothing."""
    alerts: dict[AlertKey, Alert] = {}
    turned: list[Alert] = []
    for sign in signs:
        if (rule := rules.get(sign.rule)) is None:
            continue
        old = before.get(AlertKey(sign.rule, sign.target))
        alert = _signed(rule, old, sign, now_unix_s)
        alerts[alert.key] = alert
        if alert.stage is Stage.FIRING and (old is None or old.stage is Stage.PENDING):
            turned.append(alert)
    for key, old in before.items():
        if key in alerts or key.rule not in rules:
            continue
        if old.node and old.node in unseen:
            alerts[key] = old
        elif old.stage is Stage.FIRING:
            gone = now_unix_s if old.gone_unix_s is None else old.gone_unix_s
            if now_unix_s - gone >= rules[key.rule].clear_s:
                turned.append(replace(old, stage=Stage.RESOLVED, gone_unix_s=gone))
            else:
                alerts[key] = replace(old, gone_unix_s=gone)
    return Evaluated(alerts, turned)


def _signed(rule: Rule, old: Alert | None, sign: Sign, now_unix_s: float) -> Alert:
    since = old.since_unix_s if old else now_unix_s if sign.since_unix_s is None else min(sign.since_unix_s, now_unix_s)
    fires = (old is not None and old.stage is Stage.FIRING) or now_unix_s - since >= rule.for_s
    return Alert(
        rule=sign.rule, target=sign.target, text=sign.text, severity=sign.severity or rule.severity,
        stage=Stage.FIRING if fires else Stage.PENDING, since_unix_s=since, node=sign.node,
    )  # fmt: skip


def calls(alert: Alert, acks: Iterable[Ack], silences: Iterable[Silence], now_unix_s: float) -> bool:
    """Whether somebody is to be called: nobody has it in hand, and it is not silenced."""
    in_hand = any((ack.rule, ack.target) == alert.key for ack in acks)
    return not in_hand and not any(one.holds(alert.key, now_unix_s) for one in silences)


def ordered(alerts: Iterable[Alert]) -> list[Alert]:
    """Firing before pending, the worst first, then the oldest."""
    return sorted(alerts, key=lambda one: (one.stage is not Stage.FIRING, one.severity is not Severity.PROBLEM,
                                           one.since_unix_s, one.key))  # fmt: skip
