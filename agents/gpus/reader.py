"""The agent's side of the reader process: start it, notice when it falls silent, replace it.

A process that hangs in the driver cannot always be killed. It is asked to go once, and its successor waits
until it is gone: two of them would hang in the same place.

A change of MIG mode and a reset want no process at all on a GPU, not even one that only reads:

    async with reader.release():
        …                           nothing of ours has a GPU open; readings are of before, and say so
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents.gpus.source import Frame
from profiles.observed.status import GpuSource, GpuSourceKind, GpuState

STALE_S = 2.0
STALLED_S = 10.0
FIRST_S = 90.0
"""Until the first reading: without persistence mode the driver brings up one GPU after the other, seconds for each."""
RETRY_S = 300.0
"""Between looks for a driver on a machine without GPUs; no process stays in between."""
RESTART_S = 1.0
MAX_LINE_BYTES = 4 * 1024 * 1024
LAST_WORDS_LIMIT_S = 1.0
END_LIMIT_S = 2.0
RELEASE_LIMIT_S = 10.0
LAST_WORDS_BYTES = 4096
LAST_WORDS_CHARS = 200

_decoder = msgspec.json.Decoder(Frame)


class NotReleased(Exception):
    """The reader process hangs in the driver and cannot be ended. The text is a sentence for people."""


class Reader:
    """`show` gets every frame, and the last one again, marked, when it has grown old."""

    def __init__(
        self,
        show: Callable[[Frame], None],
        simulated: Path | None = None,
        *,
        command: tuple[str, ...] | None = None,
        stale_s: float = STALE_S,
        stalled_s: float = STALLED_S,
        first_s: float = FIRST_S,
    ) -> None:
        self._show = show
        # -P: a directory called `agents` where the agent was started is not ours.
        self._command = command or (
            sys.executable, "-P", "-m", "agents.gpus", *(("--simulated", str(simulated)) if simulated else ()),
        )  # fmt: skip
        self._stale_s = stale_s
        self._stalled_s = stalled_s
        self._first_s = first_s
        self._last = Frame(GpuSource(GpuSourceKind.NONE, "not read yet"))
        self._last_at_unix_s: float | None = None
        self._frames = 0
        self._released = 0
        self._turn = asyncio.Event()
        """A child is to begin or to end now."""
        self._gone = asyncio.Event()
        self._gone.set()
        self._stdin: asyncio.StreamWriter | None = None
        self.pid: int | None = None

    async def run(self) -> None:
        """Until cancelled; the reader process ends with it."""
        while True:
            self._turn.clear()
            if not self._released:
                try:
                    await self._one_child()
                except OSError as error:  # no process, no descriptor, no right: the node goes on without readings
                    self._could_not_begin(f"the GPU reader cannot be started: {error.strerror or error}")
            none = self._last.source.kind is GpuSourceKind.NONE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._released else RETRY_S if none else RESTART_S):
                    await self._turn.wait()

    def look_again(self) -> None:
        """Somebody changed the GPUs: what is read seldom is read now."""
        if self._stdin is not None:
            self._stdin.write(b"\n")

    @contextlib.asynccontextmanager
    async def release(self) -> AsyncIterator[None]:
        """No process of this agent has a GPU open; a new reader begins afterwards. Raises NotReleased."""
        self._released += 1
        self._turn.set()
        try:
            try:
                async with asyncio.timeout(RELEASE_LIMIT_S):
                    await self._gone.wait()
            except TimeoutError:
                raise NotReleased(f"the GPU reader (pid {self.pid}) hangs in the driver and does not end") from None
            yield
        finally:
            self._released -= 1
            self._turn.set()

    async def _one_child(self) -> None:
        self._gone.clear()
        try:
            await self._follow(await self._begin())
        finally:
            self._gone.set()

    async def _follow(self, child: asyncio.subprocess.Process) -> None:
        """Until it ends, and is reaped."""
        self.pid, self._stdin = child.pid, child.stdin
        assert child.stdout is not None
        assert child.stderr is not None
        said = asyncio.create_task(_last_words(child.stderr))
        self._frames = 0
        letting_go = asyncio.create_task(self._let_go(child))
        try:
            stalled = await self._read(child.stdout)
            if stalled:
                return
            await asyncio.wait({said}, timeout=LAST_WORDS_LIMIT_S)
            words = f": {said.result()}" if said.done() and said.result() else ""
            if self._released:
                self._grow_old("the GPU reader has let go of the GPUs for a change of them")
            elif not self._frames:
                self._could_not_begin(f"the GPU reader ended before its first reading{words}")
            elif self._last.source.kind is not GpuSourceKind.NONE:
                self._grow_old(f"the GPU reader ended, a new one follows{words}")
        finally:
            said.cancel()
            letting_go.cancel()
            self._stdin = None
            await _end(child)
            self.pid = None

    async def _let_go(self, child: asyncio.subprocess.Process) -> None:
        """End it once that is asked for: by its stdin, and where it does not listen, by force."""
        await self._turn.wait()
        assert child.stdin is not None
        child.stdin.close()
        await asyncio.sleep(END_LIMIT_S)
        child.kill()

    async def _begin(self) -> asyncio.subprocess.Process:
        """A reader process. Raises OSError; cancelled, it leaves none behind."""
        pipe = asyncio.subprocess.PIPE
        beginning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, limit=MAX_LINE_BYTES
            )
        )
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await _end(await beginning)
            raise

    async def _read(self, stream: asyncio.StreamReader) -> bool:
        """Until the child ends, or, True, has been silent for too long."""
        silent_s = 0.0
        while True:
            try:
                async with asyncio.timeout(self._stale_s):
                    line = await stream.readline()
            except TimeoutError:
                silent_s += self._stale_s
                if silent_s >= (self._stalled_s if self._frames else self._first_s):
                    text = f"the GPU reader stalled: silent for {silent_s:.0f} s, it is replaced once it is gone"
                    self._grow_old(text, stalled=True)
                    return True
                self._grow_old(f"the GPU reader has been silent for {silent_s:.0f} s")
                continue
            except ValueError:
                return False  # a line without end: not our reader's
            if not line:
                return False
            silent_s = 0.0
            self._frames += 1
            try:
                self._last = _decoder.decode(line)
            except msgspec.DecodeError:
                continue
            self._last_at_unix_s = time.time()
            self._show(self._last)

    def _could_not_begin(self, note: str) -> None:
        self._last = Frame(GpuSource(GpuSourceKind.NONE, note))
        self._show(self._last)

    def _grow_old(self, note: str, *, stalled: bool = False) -> None:
        said = self._last.source.note
        source = replace(self._last.source, note=f"{said}; {note}" if said else note)
        old = {"state": GpuState.STALE, "seen_unix_s": self._last_at_unix_s}
        gpus = tuple(gpu if gpu.state is GpuState.LOST else replace(gpu, **old) for gpu in self._last.gpus)
        self._show(Frame(source, gpus, stalled=stalled))


async def _end(child: asyncio.subprocess.Process) -> None:
    """Killed and reaped. Cancelled meanwhile, it is given a moment: a driver may hold a process for ever."""
    if child.returncode is None:
        child.kill()
    gone = asyncio.ensure_future(child.wait())
    try:
        await asyncio.shield(gone)
    except asyncio.CancelledError:
        await asyncio.wait({gone}, timeout=END_LIMIT_S)
        gone.cancel()
        raise


async def _last_words(stream: asyncio.StreamReader) -> str:
    """The last line until the end of `stream`: of a traceback, the one that says why."""
    kept = b""
    while data := await stream.read(LAST_WORDS_BYTES):
        kept = (kept + data)[-LAST_WORDS_BYTES:]
    lines = kept.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:LAST_WORDS_CHARS] if lines else ""
