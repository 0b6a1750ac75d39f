"""Runs the parts of a check-up side by side, each in a disposable child with a deadline.

    part ──child──► a finding a line … end       or, at the deadline, check_hung: what it has said until then counts

A child that hangs in a driver cannot always be killed. It is asked to go once, and as long as it is there no second
one is sent to the same place.
"""

import asyncio
import contextlib
import sys
from collections.abc import Mapping

import msgspec

from agents.doctor.subject import Subject
from profiles.observed.finding import Finding, ordered, problem

LIMITS_S: Mapping[str, float] = {"host": 10.0, "audit": 20.0, "models": 20.0, "gpus": 15.0}
END_LIMIT_S = 1.0
"""One that can be killed is gone by then."""

MAX_LINE_BYTES = 64 * 1024
MAX_FINDINGS = 400
"""Of one part: a machine with more GPUs and models than that is read on the machine itself."""

_PLACES = {
    "host": "the state directory or a service of this machine does not answer; see `ps` for processes in state D there",
    "audit": "the audit is long; `gpuyard-agent audit verify` takes its time",
    "models": "a directory of models does not answer: see its mount, and `ps` for processes in state D",
    "gpus": "the driver does not answer: see `dmesg` for Xid lines; the GPU may need a reset, or the machine a reboot",
}
_decoder = msgspec.json.Decoder(Finding)


class Examiner:
    """One for each agent: it remembers the children that hang."""

    def __init__(self, subject: Subject, limits_s: Mapping[str, float] = LIMITS_S) -> None:
        self.subject = subject
        self.is_busy = False
        self._limits_s = limits_s
        self._hung: dict[str, asyncio.subprocess.Process] = {}

    async def findings(self) -> list[Finding]:
        """All that is found, by topic."""
        self.is_busy = True
        try:
            parts = await asyncio.gather(*map(self._part, self._limits_s))
        finally:
            self.is_busy = False
        return ordered(finding for part in parts for finding in part)

    async def _part(self, name: str) -> list[Finding]:
        hung = self._hung.get(name)
        if hung is not None and hung.returncode is None:
            text = f"the last look at {name} still hangs (pid {hung.pid}): no other was sent"
            return [problem("check_hung", text, _PLACES[name])]
        self._hung.pop(name, None)
        try:
            child = await self._begin(name)
        except OSError as error:
            return [problem("check_failed", f"{name}: no process can be started: {error.strerror}", "see `ulimit -u`")]
        found: list[Finding] = []
        try:
            async with asyncio.timeout(self._limits_s[name]):
                words = await _listen(child, found)
                await child.wait()
        except TimeoutError:
            self._hung[name] = child
            text = f"looking at {name} took more than {self._limits_s[name]:g} s"
            found.append(problem("check_hung", text, _PLACES[name]))
        else:
            if child.returncode:
                text = f"looking at {name} ended with {child.returncode}: {words or 'it said nothing'}"
                found.append(problem("check_failed", text, "report it, with `--bundle`"))
        finally:
            if child.returncode is None:
                await _end(child)
        return found

    async def _begin(self, name: str) -> asyncio.subprocess.Process:
        """Raises OSError; cancelled, it leaves no child behind."""
        # -P: a directory called `agents` where the agent was started is not ours.
        argv = (sys.executable, "-P", "-m", "agents.doctor", name, *self.subject.words())
        pipe = asyncio.subprocess.PIPE
        beginning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True,
                limit=MAX_LINE_BYTES,
            )
        )  # fmt: skip
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            await _end(await beginning)
            raise


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT_S):
            await child.wait()


async def _listen(child: asyncio.subprocess.Process, found: list[Finding]) -> str:
    """Take in findings until the child's end; the last line of what it complained of."""
    assert child.stdout is not None
    assert child.stderr is not None
    complaint = asyncio.create_task(child.stderr.read())
    try:
        async for line in child.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # a library that prints
                if len(found) < MAX_FINDINGS:
                    found.append(_decoder.decode(line))
        lines = (await complaint).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else ""
    finally:
        complaint.cancel()
