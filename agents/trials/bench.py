"""One trial under way: its child, what it has said so far, and its end.

begin ──► the child asks ──Report──► … ──► over        (cancelled, killed or stalled: over with a problem)
"""

import asyncio
import contextlib
import sys

import msgspec

from agents.trials.job import Job, Report
from profiles.latency.trial import Level

STALLED_S = 330.0
"""Without a word: longer than one request may take."""

END_LIMIT_S = 2.0
MAX_LINE_BYTES = 64 * 1024
_decoder = msgspec.json.Decoder(Report)


class Bench:
    """`changed` is set at every report and renewed by `next_report`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.of = job.trial.requests * len(job.trial.concurrency)
        self.answered = 0
        self.levels: list[Level] = []
        self.problem = ""
        self.over = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until its end; cancelled, the child is gone with it."""
        try:
            await self._run()
        except asyncio.CancelledError:
            self.problem = "stopped"
            raise
        except OSError as error:
            self.problem = f"no process can be started: {error.strerror or error}"
        finally:
            self.over = True
            self._changed.set()

    async def next_report(self, known: int, wait_s: float) -> None:
        """Return once more than `known` are answered or it is over, or after `wait_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self.answered <= known and not self.over:
                    self._changed.clear()
                    await self._changed.wait()

    async def _run(self) -> None:
        pipe = asyncio.subprocess.PIPE
        # -P: a directory called `agents` where the agent was started is not ours.
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "agents.trials", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True, limit=MAX_LINE_BYTES,
        )  # fmt: skip
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(msgspec.json.encode(self._job) + b"\n")
            await self._listen(child.stdout)
        finally:
            await _end(child)

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                async with asyncio.timeout(STALLED_S):
                    line = await stream.readline()
            except TimeoutError:
                self.problem = f"no answer for {STALLED_S:.0f} s"
                return
            if not line:
                self.problem = "" if len(self.levels) == len(self._job.trial.concurrency) else "its process ended early"
                return
            report = _decoder.decode(line)
            self.answered = report.answered
            if report.level is not None:
                self.levels.append(report.level)
            self._changed.set()


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    assert child.stdout is not None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT_S):
            while await child.stdout.read(MAX_LINE_BYTES):
                pass  # asyncio sees no end of a child whose pipe nobody empties
            await child.wait()
