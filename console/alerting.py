"""Alerts of a fleet, kept up to date: what fires, who has it in hand, and whom to call when something turns.

Store ──signs──► profiles.watching.alerts.evaluate ──turned──► callers (the bell, the desktop, a webhook)
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from console.anchors import usual_path
from console.directories import config_directory
from console.signs import signs, unseen
from console.silences import Quiet, QuietFile
from console.store import Store
from profiles.watching.alertrules import AlertRules, load_rules
from profiles.watching.alerts import Alert, AlertKey, Stage, calls, evaluate, ordered


def own_rules(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The user's alerts.yaml, where there is one."""
    path = config_directory(environ) / "alerts.yaml"
    return path if path.exists() else None


def usual_rules() -> AlertRules:
    """Raises FileError."""
    return load_rules(own_rules())


def usual_quiet() -> QuietFile:
    return QuietFile(usual_path().with_name("alerts.json"))


class Alerting:
    """`look` once a second; `alerts` is what it found."""

    def __init__(self, store: Store, rules: AlertRules, file: QuietFile) -> None:
        self._store = store
        self.rules = rules
        self.file = file
        self.quiet = Quiet()
        self.alerts: dict[AlertKey, Alert] = {}

    def look(self) -> list[Alert]:
        """What began to fire, or is resolved, and calls somebody. What was acknowledged is told to be over, too."""
        now = self._store.wall()
        self.quiet = self.file.read().at(now)
        found = evaluate(self.rules.rules, self.alerts, signs(self._store, self.rules.rules), now, unseen(self._store))
        self.alerts = found.alerts
        over = [one.key for one in found.turned if one.stage is Stage.RESOLVED]
        told = [one for one in found.turned if self.calls(one) or (one.key in over and not self.silenced(one))]
        if over:
            with contextlib.suppress(OSError):  # then the acknowledgement ends after a day
                self.file.resolved(over, now)
        return told

    def firing(self) -> list[Alert]:
        """Worst first."""
        return [one for one in ordered(self.alerts.values()) if one.stage is Stage.FIRING]

    def calls(self, alert: Alert) -> bool:
        return calls(alert, self.quiet.acks, self.quiet.silences, self._store.wall())

    def silenced(self, alert: Alert) -> bool:
        return any(one.holds(alert.key, self._store.wall()) for one in self.quiet.silences)

    def word(self, alert: Alert) -> str:
        """`silenced until …` and `ana has it` are words of the lists; "" where somebody is called."""
        if self.silenced(alert):
            return "silenced"
        return next((f"{ack.author} has it" for ack in self.quiet.acks if (ack.rule, ack.target) == alert.key), "")
