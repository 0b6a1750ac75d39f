"""`watch`: the rules held against the fleet once a second, headless; a line on stdout for each alert that turns.

It runs until it is ended: by a person, or as a unit by the service manager. What fires at its start is told.
"""

import argparse
import asyncio
import contextlib
import signal

import msgspec

from console.alerting import Alerting, usual_quiet
from console.cli.alerts import rules_or_fail
from console.cli.output import Exit, Format, print_json_line, say_reason
from console.cli.session import inventory_of, inventory_path, reached
from console.render.alerts import event_line
from console.store import Store
from console.webhook import NotSent, post
from profiles.text.clean import clean
from profiles.watching.alerts import Alert

LOOK_EVERY_S = 1.0


def run(options: argparse.Namespace) -> int:
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    rules, output = rules_or_fail(), Format(options.output)
    secrets = inventory_path(options).with_name("secrets")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with reached(inventory_of(options)) as found, asyncio.TaskGroup() as tasks:
        alerting = Alerting(found.store, rules, usual_quiet())

        async def call(alert: Alert) -> None:
            if rules.notify.webhook is None:
                return
            try:
                await post(rules.notify.webhook, alert, secrets)
            except NotSent as failed:
                say_reason(failed.reason)

        while not ended.is_set() and not found.running.done():
            found.store.age()
            for alert in alerting.look():
                _print(found.store, output, alert)
                tasks.create_task(call(alert))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), LOOK_EVERY_S)
    return Exit.DONE


def _print(store: Store, output: Format, alert: Alert) -> None:
    if output is Format.JSON:
        print_json_line("alert", {"at_unix_s": store.wall(), **msgspec.to_builtins(alert)})
    else:
        print(clean(event_line(alert, store.wall())), flush=True)
