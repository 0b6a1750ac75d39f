"""One environment being made: a child fills it, it is imported once, and its record makes a runtime of it.

begin ──► child: venv, installer ──► imported, asked its version ──► runtime.json ──► over
                └── cancelled, killed, failed: its directory is gone ──► over, with a problem
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

import msgspec

from agents import state
from agents.runtimes.asking import Asker, CannotTell
from agents.runtimes.job import Job, Said
from agents.runtimes.runtimes import RECORD
from engines.abilities import Package
from profiles.observed.runtime import Requirement, Runtime
from profiles.observed.status import Reason

MAX_LINES = 20_000
MAX_LINE_BYTES = 64 * 1024
_decoder = msgspec.json.Decoder(Said)


class Making:
    """`lines` is what the installer printed. `step` says what is done now."""

    def __init__(self, directory: Path, engine: str, package: Package, requirement: Requirement, wheels: str) -> None:
        self.name = directory.name
        self.step = "waiting"
        self.lines: list[str] = []
        self.problem: Reason | None = None
        self.over = False
        self._job = Job(str(directory), str(requirement), wheels)
        self._directory = directory
        self._runtime = Runtime(engine=engine, venv=str(directory))
        self._package = package
        self._changed = asyncio.Event()

    async def run(self, asker: Asker) -> None:
        """Until its end; cancelled, nothing of it is left."""
        made = False
        try:
            made = await self._run(asker)
        except asyncio.CancelledError:
            self.problem = Reason("stopped", "stopped; nothing of it is left")
            raise
        except OSError as error:
            text = f"{self.name} cannot be made: {error.strerror or error}"
            self.problem = Reason("disk", text, "see the disk and the limits of the node")
        finally:
            if not made:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True))
            self.over = True
            self._changed.set()

    async def next_report(self, known: int, wait_s: float) -> None:
        """Return once more than `known` lines are there or it is over, or after `wait_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while len(self.lines) <= known and not self.over:
                    self._changed.clear()
                    await self._changed.wait()

    async def _run(self, asker: Asker) -> bool:
        self._directory.mkdir(mode=0o700, parents=True)
        if code := await self._fill():
            last = next((line for line in reversed(self.lines) if line.strip()), "it printed nothing")
            text = f"{self.step} failed with exit code {code}: {last[:300]}"
            self.problem = Reason("install_failed", text, "see what it printed; try the same with `--wheels DIR`")
            return False
        self._tell(Said(step=f"importing {self._package.module}"))
        try:
            version = await asker.check(self._runtime, self._package)
        except CannotTell as error:
            self.problem = Reason("broken", f"installed, but {error.message}", error.hint)
            return False
        state.save(self._directory / RECORD, self._runtime)
        self._tell(Said(step="made", line=f"{self._package.program} {version} is ready as runtime {self.name}"))
        return True

    async def _fill(self) -> int:
        pipe = asyncio.subprocess.PIPE
        # -P: a directory called `agents` where the agent was started is not ours.
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "agents.runtimes", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True, limit=MAX_LINE_BYTES,
        )  # fmt: skip
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(msgspec.json.encode(self._job))
            async for line in child.stdout:
                self._tell(_decoder.decode(line))
            return await child.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await asyncio.shield(child.wait())

    def _tell(self, said: Said) -> None:
        self.step = said.step or self.step
        if said.line and len(self.lines) < MAX_LINES:
            self.lines.append(said.line)
        self._changed.set()
