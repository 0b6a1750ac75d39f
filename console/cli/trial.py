"""`gpuyard smoke` and `gpuyard bench`: try a ready engine from its own node, and say how it answered."""

import argparse
import asyncio
import contextlib
import secrets
from collections.abc import Iterator

import msgspec

from agents import wire
from console.cli.applying import check_may_change
from console.cli.names import find_instance
from console.cli.output import CommandFailed, Exit, Format, is_interactive, print_json, say
from console.cli.session import Reached, inventory_of, reached
from console.cli.table import print_table
from console.remote.errors import NodeUnreachable, RequestFailed
from console.render.trial import LEVEL_COLUMNS, level_cells, milliseconds, plotted
from profiles.latency.trial import Level, Trial, problem
from profiles.observed.status import Reason

READ_WAIT_S = 10.0
SMOKE_LIMIT_S = 50.0


def smoke(options: argparse.Namespace) -> int:
    return asyncio.run(_smoke(options))


def bench(options: argparse.Namespace) -> int:
    trial = Trial(
        concurrency=options.concurrency, requests=options.requests, prompt_tokens=options.prompt_tokens,
        answer_tokens=options.answer_tokens,
    )  # fmt: skip
    if not options.list:
        check_may_change(options)
    if text := problem(trial):
        raise CommandFailed(Exit.USAGE, Reason("usage", text))
    return asyncio.run(_earlier(options) if options.list else _bench(options, trial))


async def _smoke(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node, instance = find_instance(found, options.instance)
        with _told():
            answer = await found.fleet.request(
                node, wire.Smoke(instance=instance), wire.Smoked, deadline_s=SMOKE_LIMIT_S
            )
    timing = answer.timing
    if Format(options.output) is Format.JSON:
        item = {"node": node, "instance": instance, **msgspec.to_builtins(timing), "itl_s": timing.itl_s}
        print_json("smoke", [item])
    elif not timing.error:
        rate = timing.tokens / timing.e2e_s if timing.e2e_s else 0.0
        first = milliseconds(timing.ttft_s)
        print(f"{instance} on {node}: first token after {first} ms, {timing.tokens} tokens at {rate:,.0f} a second")
    if timing.error:
        hint = f"see `gpuyard logs {instance}`"
        raise CommandFailed(Exit.FAILED, Reason("smoke_failed", f"{instance}: {timing.error}", hint))
    return Exit.DONE


async def _bench(options: argparse.Namespace, trial: Trial) -> int:
    output = Format(options.output)
    async with reached(inventory_of(options)) as found:
        node, instance = find_instance(found, options.instance)
        with _told():
            start = wire.StartTrial(instance=instance, trial=trial, key=secrets.token_hex(16))
            begun = await found.fleet.request(node, start, wire.TrialStarted)
            report = await _watch(found, node, begun.name)
    if output is Format.JSON:
        print_json("bench", [_item(node, instance, level) for level in report.levels])
    else:
        _print(report.levels, wide=output is Format.WIDE)
    failed = sum(level.failed for level in report.levels)
    if report.problem or failed:
        text = report.problem or f"{failed} of {report.answered} requests failed: {_commonest(report.levels)}"
        raise CommandFailed(Exit.FAILED, Reason("bench_failed", text, f"see `gpuyard logs {instance}`"))
    return Exit.DONE


async def _watch(found: Reached, node: str, name: str) -> wire.TrialReport:
    """Until it is over; interrupted here, it is stopped there. Raises RequestFailed."""
    known, shown = -1, is_interactive()
    try:
        while True:
            ask = wire.ReadTrial(name=name, known=known, wait_s=READ_WAIT_S)
            report = await found.fleet.request(node, ask, wire.TrialReport, deadline_s=READ_WAIT_S + 10)
            known = report.answered
            if shown:
                say(f"{report.answered} of {report.of} answered, {len(report.levels)} levels over")
            if report.over:
                return report
    except asyncio.CancelledError:
        with contextlib.suppress(RequestFailed):
            await found.fleet.request(node, wire.StopTrial(name=name, key=secrets.token_hex(16)), wire.TrialStopped)
        raise


async def _earlier(options: argparse.Namespace) -> int:
    async with reached(inventory_of(options)) as found:
        node, instance = find_instance(found, options.instance)
        with _told():
            kept = (await found.fleet.request(node, wire.ListTrials(instance=instance), wire.Trials)).trials
    if Format(options.output) is Format.JSON:
        print_json("bench", [{"node": node, **msgspec.to_builtins(one)} for one in kept])
        return Exit.DONE
    for one in kept:
        say(f"{one.name}, generation {one.generation}, by {one.author or 'nobody'}")
        _print(one.levels, wide=Format(options.output) is Format.WIDE)
    return Exit.DONE


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NodeUnreachable as gone:
        raise CommandFailed(Exit.UNREACHABLE, gone.reason) from None
    except RequestFailed as failed:
        raise CommandFailed(Exit.FAILED, failed.reason) from None


def _print(levels: tuple[Level, ...], *, wide: bool) -> None:
    print_table(LEVEL_COLUMNS, [level_cells(level) for level in levels], wide=wide)
    if len(levels) > 1:
        print("\n" + "\n".join(plotted(levels)))


def _item(node: str, instance: str, level: Level) -> dict[str, object]:
    return {"node": node, "instance": instance, **msgspec.to_builtins(level)}


def _commonest(levels: tuple[Level, ...]) -> str:
    counted = [(count, text) for level in levels for text, count in level.errors.items()]
    return max(counted)[1] if counted else ""
