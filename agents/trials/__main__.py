"""`python -m agents.trials`: a Job on stdin, a Report a line on stdout; ends when stdin closes, as with the agent."""

import asyncio
import os
import sys
import time

import msgspec

from agents.trials.job import Job, Report
from agents.trials.ramp import ramp
from profiles.latency.trial import Level

REPORT_EVERY_S = 0.25
"""At most: a report a request would flood the node of a quick engine."""


async def run(job: Job) -> None:
    answered, said_s = 0, -REPORT_EVERY_S

    def progress(now: int) -> None:
        nonlocal answered, said_s
        answered = now
        if time.monotonic() - said_s >= REPORT_EVERY_S:
            said_s = time.monotonic()
            say(Report(now))

    def level_over(level: Level) -> None:
        say(Report(answered, level))

    watching = asyncio.create_task(_orphaned())
    await ramp(job.target, job.trial, job.seed, progress, level_over)
    watching.cancel()


async def _orphaned() -> None:
    """Whoever began us is gone: so are we."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    os._exit(1)


def say(report: Report) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(run(msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)))
