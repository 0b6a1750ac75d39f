"""The MPS control daemon of one GPU, for the clients that this agent starts: an internal instance under a shim.

    up ──► it runs and takes clients ──► look … ──► down, after its last client

It outlives the agent. When it dies, its servers and their clients may live on. Nobody would be confined by a new
daemon beside an old server, so the new one is started once nothing of the old one is left, and before its clients.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence

from agents.events import EventLog
from agents.fractions.mechanism import CannotGrant
from agents.fractions.mpscontrol import PROGRAM, Control, Seen, Silent
from agents.layout import Layout
from agents.processes.internal import PREFIX, Internal
from agents.processes.isolation.tier import Tier
from agents.processes.process import Handle, read_exit
from agents.processes.spawn import AlreadyLocked, CannotExecute, CannotRecord
from profiles.observed.status import SERVES, EventKind, Phase, Reason

START_LIMIT_S = 10.0
QUIT_LIMIT_S = 5.0
MAX_PATH_BYTES = 107 - len("/nvidia-cuda-mps-control.pid")
"""A path of a Unix socket has 107 (unix(7)); the longest name that the program puts into the directory takes some."""


class MpsDaemon:
    """`changed` is called when its phase or problem is another one. One call at a time."""

    def __init__(
        self, layout: Layout, tier: Tier, events: EventLog, gpu_uuid: str, gpu_index: int, changed: Callable[[], None]
    ) -> None:
        self.gpu_uuid = gpu_uuid
        self.gpu_index = gpu_index
        self.phase = Phase.STOPPED
        self.problem: Reason | None = None
        self.since_unix_s = 0.0
        key = key_of(gpu_uuid)
        self.pipes = layout.mps / key
        self._internal = Internal(layout, f"mps-{key}", tier, self._exited)
        self._logs = self._internal.paths.directory / "mps"
        self._events = events
        self._changed = changed
        self._found = False

    @property
    def name(self) -> str:
        return self._internal.name

    @property
    def handle(self) -> Handle | None:
        return self._internal.process.handle if self._internal.process else None

    async def find(self) -> None:
        """What an earlier agent left, once. Raises OSError."""
        if self._found:
            return
        await self._internal.find()
        self._found = True
        if handle := self.handle:
            self.since_unix_s = time.time() - handle.age_s()
            self._be(Phase.READY, None)

    async def up(self, others: Sequence[str]) -> None:
        """It runs and takes clients; `others` are those that it has. Raises CannotGrant, OSError."""
        await self.find()
        if problem := await self._hindrance():
            if others:
                hint = f"restart {', '.join(others)}: the daemon is started anew before the first"
                raise CannotGrant(problem.code, problem.text, hint, again=True)
            await self.down()
        if not self._internal.lives():
            await self._start()

    async def look(self) -> Seen | Reason:
        """Its clients, or what is wrong with it."""
        await self.find()
        if not self._internal.lives():
            return self._lost()
        try:
            seen = await self._control().look()
        except Silent as error:
            if not self._internal.lives():
                return self._lost()
            silent = Reason("mps_silent", str(error), f"see `gpuyard logs {self.name}`")
            self._be(Phase.STALLED, silent)
            return silent
        if not seen.fault:
            self._be(Phase.READY, None)
            return seen
        text = f"a client's error ended the MPS server of GPU {self.gpu_index}: nobody new gets in"
        fault = Reason("mps_fault", text, "restart those that are still on it")
        self._be(Phase.DEGRADED, fault)
        return fault

    async def down(self) -> None:
        """End it, with whatever it started. What even SIGKILL leaves is met again at the next start."""
        await self.find()
        if self.phase is Phase.STOPPED and not self._internal.left():
            return
        self._be(Phase.STOPPING, None)
        if self._internal.lives():
            with contextlib.suppress(Silent):  # then by signals
                await self._control().ask("quit")
        await self._internal.end(QUIT_LIMIT_S)
        shutil.rmtree(self.pipes, ignore_errors=True)
        self._be(Phase.STOPPED, None)
        self._tell("is stopped: nobody needs it", "mps_stopped")

    def close(self) -> None:
        """Watch it no longer; it lives on."""
        self._internal.close()

    async def _hindrance(self) -> Reason | None:
        """Why no new client would be confined, where a daemon cannot simply be started."""
        if not self._internal.lives():
            return self._gone() if self._internal.left() else None
        found = await self.look()
        return found if isinstance(found, Reason) else None

    async def _start(self) -> None:
        if len(os.fsencode(self.pipes)) > MAX_PATH_BYTES:
            text = f"{self.pipes} is too long for the sockets of MPS"
            raise CannotGrant("mps_path_long", text, "give the agent a shorter --state")
        program = _program()
        self._be(Phase.STARTING, None)
        self.pipes.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            await self._internal.start((program, "-f"), self._env())
            await self._answers()
        except (AlreadyLocked, CannotRecord, CannotExecute, Silent) as error:
            text = f"the MPS daemon of GPU {self.gpu_index} did not start: {error}"
            refusal = CannotGrant("mps_not_started", text, f"see `gpuyard logs {self.name}`", again=True)
            self._be(Phase.FAILED, refusal.reason)
            raise refusal from None
        self.since_unix_s = time.time()
        self._be(Phase.READY, None)
        self._tell("is started", "mps_started")

    async def _answers(self) -> None:
        """Raises Silent."""
        deadline = asyncio.get_running_loop().time() + START_LIMIT_S
        while self._internal.lives():
            try:
                await self._control().look()
            except Silent:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return
        raise Silent(await self._last_words())

    async def _last_words(self) -> str:
        ended = await read_exit(self._internal.paths, self.handle) if self.handle else None
        try:
            lines = self._internal.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return f"{ended.text() if ended else 'it ended'}{f': {lines[-1]}' if lines else ''}"

    def _lost(self) -> Reason:
        self._be(Phase.LOST, gone := self._gone())
        return gone

    def _gone(self) -> Reason:
        text = f"the MPS daemon of GPU {self.gpu_index} is gone: its clients are on their own"
        return Reason("mps_gone", text, "restart them: the daemon is started anew before the first")

    def _control(self) -> Control:
        return Control(shutil.which(PROGRAM) or PROGRAM, self._env())

    def _env(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "CUDA_MPS_PIPE_DIRECTORY": str(self.pipes),
            "CUDA_MPS_LOG_DIRECTORY": str(self._logs),
            "CUDA_VISIBLE_DEVICES": self.gpu_uuid,
        }

    def _be(self, phase: Phase, problem: Reason | None) -> None:
        if (phase, problem) != (self.phase, self.problem):
            self.phase, self.problem = phase, problem
            self._changed()

    def _exited(self) -> None:
        if self.phase in SERVES:
            self._be(Phase.LOST, self._gone())
            self._tell("ended by itself", "mps_gone")

    def _tell(self, what: str, code: str) -> None:
        text = f"the MPS daemon of GPU {self.gpu_index} {what}"
        self._events.append(EventKind.GPU, text, gpu=self.gpu_uuid, code=code)


def name_of(gpu_uuid: str) -> str:
    return f"{PREFIX}mps-{key_of(gpu_uuid)}"


def key_of(gpu_uuid: str) -> str:
    """Short, for the paths of sockets."""
    return hashlib.sha256(gpu_uuid.encode()).hexdigest()[:8]


def _program() -> str:
    """Raises CannotGrant."""
    found = shutil.which(PROGRAM)
    if found is None:
        text = f"the program `{PROGRAM}` was not found"
        raise CannotGrant("mps_missing", text, "it comes with the NVIDIA driver; or leave `enforce: mps` out")
    return found
