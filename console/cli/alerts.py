"""`alerts`, `alerts ack`, `alerts silence`: what calls somebody now, and who keeps quiet about it."""

import argparse
import asyncio
import time
from collections.abc import Callable

import msgspec

from console.alerting import Alerting, usual_quiet, usual_rules
from console.author import author
from console.cli.output import CommandFailed, Exit, Format, print_json, say
from console.cli.session import inventory_of, reached
from console.cli.table import print_table
from console.render.alerts import ALERT_COLUMNS, alert_cells
from profiles.observed.status import Reason
from profiles.text.document import FileError
from profiles.text.units import duration_s
from profiles.watching.alertrules import AlertRules
from profiles.watching.alerts import Ack, Silence, ordered


def show(options: argparse.Namespace) -> int:
    return asyncio.run(_show(options))


def acknowledge(options: argparse.Namespace) -> int:
    _check_rule(options.rule)
    _write(lambda: usual_quiet().acknowledge(Ack(rule=options.rule, target=options.target, author=author(),
                                                at_unix_s=time.time())))  # fmt: skip
    say(f"{options.rule} of {options.target} is in your hand")
    return Exit.DONE


def silence(options: argparse.Namespace) -> int:
    lasts_s = 0.0 if options.end else duration_s(options.lasts)
    if lasts_s is None:
        raise CommandFailed(Exit.USAGE, Reason("bad_duration", f"`{options.lasts}` is no duration", "30m, 2h or 7d"))
    if options.rule != "*":
        _check_rule(options.rule)
    now = time.time()
    made = Silence(rule=options.rule, target=options.target, until_unix_s=now + lasts_s, author=author(),
                   reason=options.reason)  # fmt: skip
    _write(lambda: usual_quiet().silence(made, now))
    what = f"{options.rule} of {options.target}"
    say(f"{what} calls again" if options.end else f"{what} calls nobody for {options.lasts}")
    return Exit.DONE


def rules_or_fail() -> AlertRules:
    """Raises CommandFailed for a file that cannot be used."""
    try:
        return usual_rules()
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_alerts", str(error), error.hint)) from None


async def _show(options: argparse.Namespace) -> int:
    rules, output = rules_or_fail(), Format(options.output)
    async with reached(inventory_of(options)) as found:
        alerting = Alerting(found.store, rules, usual_quiet())
        alerting.look()
        alerts = ordered(alerting.alerts.values())
        if output is Format.JSON:
            print_json("alerts", [{**msgspec.to_builtins(one), "quiet": alerting.word(one)} for one in alerts])
        elif output is Format.NAME:
            for one in alerts:
                print(f"{one.rule} {one.target}")
        else:
            rows = [alert_cells(one, alerting.word(one), found.store.wall()) for one in alerts]
            print_table(ALERT_COLUMNS, rows, wide=output is Format.WIDE)
        return found.say_lost()


def _check_rule(name: str) -> None:
    rules = rules_or_fail().rules
    if name not in rules:
        hint = f"rules: {', '.join(rules)}"
        raise CommandFailed(Exit.USAGE, Reason("no_rule", f"no rule is called {name}", hint))


def _write(change: Callable[[], None]) -> None:
    """Raises CommandFailed where the state directory takes nothing."""
    try:
        change()
    except OSError as error:
        text = f"{error.filename}: {error.strerror}"
        raise CommandFailed(Exit.FAILED, Reason("unwritable", text, "free space or mend its owner")) from None
