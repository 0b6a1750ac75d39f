"""When to call somebody, and how: rules by name from the file that ships, single keys of them from the user's own.

    rules:
      burn: {over: 6, for: 1m}       # the other keys stay as they ship
      drift: {ignore: true}
    notify:
      bell: false
      webhook: {url: https://hooks.example/gpuyard, secret: alert-hook}

A secret is a name: what it stands for is in a file of that name that only its owner reads, never in here.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from profiles.observed.finding import Severity
from profiles.text.conform import convert
from profiles.text.document import Document, FileError, Where
from profiles.text.names import NAME, NAME_HINT
from profiles.text.units import duration_s, size_mib
from profiles.text.yamltext import read

FILE = Path(__file__).with_name("alerts.yaml")
VERSION = 1
SEVERITIES = (Severity.WARNING, Severity.PROBLEM)
IN_SIZES = frozenset({"unattributed"})
IN_TIMES = frozenset({"burn"})
"""Rules with `over`: in a size, or times what is allowed."""


class RuleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """As people write it; what is left out stays as it ships."""

    severity: Severity | None = None
    for_: str | None = None
    clear: str | None = None
    over: float | str | None = None
    ignore: bool = False


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`secret` names what is sent as `Authorization: Bearer …`."""

    url: str
    secret: str | None = None


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bell: bool = True
    desktop: bool = True
    webhook: Webhook | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gpuyard: int
    rules: dict[str, RuleRequest] = {}
    notify: Notify = Notify()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Fires once its sign has held for `for_s`, and is over once it has been gone for `clear_s`.

    `over` is times, or MiB of a rule that is in sizes.
    """

    name: str
    severity: Severity = Severity.WARNING
    for_s: float = 0.0
    clear_s: float = 0.0
    over: float = 0.0


class AlertRules(msgspec.Struct, frozen=True):
    rules: Mapping[str, Rule]
    notify: Notify = Notify()


def load_rules(own: Path | None) -> AlertRules:
    """What ships, with what the file at `own` changes. Raises FileError with the place."""
    shipped = _merged({}, read(FILE))
    return shipped if own is None else _merged(shipped.rules, read(own))


def parse_rules(text: str) -> AlertRules:
    """The same of a text. Raises FileError."""
    return _merged(_merged({}, read(FILE)).rules, read(text))


def _merged(before: Mapping[str, Rule], document: Document) -> AlertRules:
    asked = convert(document, _File)
    if asked.gpuyard != VERSION:
        raise document.error(("gpuyard",), f"version {asked.gpuyard} of this file is not known",
                             f"write `gpuyard: {VERSION}`, or upgrade gpuyard")  # fmt: skip
    rules = dict(before)
    for name, request in asked.rules.items():
        where: Where = ("rules", name)
        if before and name not in before:
            near = get_close_matches(name, before, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"rules: {', '.join(before)}"
            raise document.error(where, f"no rule is called `{name}`", hint, at_key=True)
        rules[name] = _rule(document, where, before.get(name, Rule(name=name)), request)
        if request.ignore:
            del rules[name]
    _check_webhook(document, asked.notify.webhook)
    return AlertRules(rules, asked.notify)


def _rule(document: Document, where: Where, before: Rule, asked: RuleRequest) -> Rule:
    if asked.severity is not None and asked.severity not in SEVERITIES:
        raise document.error((*where, "severity"), f"`{asked.severity}` calls nobody", "warning or problem")
    return Rule(
        name=before.name,
        severity=asked.severity or before.severity,
        for_s=_duration(document, (*where, "for"), asked.for_, before.for_s),
        clear_s=_duration(document, (*where, "clear"), asked.clear, before.clear_s),
        over=before.over if asked.over is None else _over(document, (*where, "over"), before.name, asked.over),
    )


def _duration(document: Document, where: Where, text: str | None, before: float) -> float:
    found = before if text is None else duration_s(text)
    if found is None:
        raise document.error(where, f"`{text}` is no duration", "a number and ms, s, m, h or d: `30s`")
    return found


def _over(document: Document, where: Where, rule: str, over: float | str) -> float:
    found: float | None = None
    if rule in IN_SIZES:
        found = size_mib(over) if isinstance(over, str) else None
        hint = "a size: `2GiB`"
    elif rule in IN_TIMES:
        found = over if isinstance(over, float | int) and over > 0 else None
        hint = "a number above 0: so many times what is allowed"
    else:
        raise document.error(where, f"`{rule}` has no `over`", "leave it out", at_key=True)
    if found is None:
        raise document.error(where, f"`{over}` is no threshold of `{rule}`", hint)
    return float(found)


def _check_webhook(document: Document, webhook: Webhook | None) -> None:
    if webhook is None:
        return
    where: Where = ("notify", "webhook")
    url = urlsplit(webhook.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise document.error((*where, "url"), "this is no address of the web", "https://…")
    if url.username or url.password or url.query:
        hint = "store it in a file and write `secret: NAME`"
        raise document.error((*where, "url"), "an address with a login or a query may hold a secret", hint)
    if webhook.secret is not None and not NAME.fullmatch(webhook.secret):
        raise document.error((*where, "secret"), "this cannot name a secret", NAME_HINT)


__all__ = ["AlertRules", "FileError", "Notify", "Rule", "RuleRequest", "Webhook", "load_rules", "parse_rules"]
