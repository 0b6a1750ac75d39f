"""Looks at MIG on a GPU through a disposable child, so that the daemon never has NVML open.

A child that hangs in the driver cannot always be killed. It is asked to go once, and as long as it is there no second
one is sent to the same place.
"""

import asyncio
import contextlib
import sys

import msgspec

from agents.errors import AgentError
from agents.gpus.survey import Refused, Survey
from agents.privilege.answers import Failed, Looked, Missing
from agents.privilege.calls import LookAtMig
from agents.privilege.privileged import Privileged

LIMIT_S = 20.0
"""Drivers take a second for a GPU that nobody holds open, and longer when many ask."""
END_LIMIT_S = 1.0
OURSELVES = "gpuyard-agent"
"""The author of a look through a helper."""
_NO_PERMISSION = 4

_decoder: msgspec.json.Decoder[Survey | Refused] = msgspec.json.Decoder(Survey | Refused)


class CannotSurvey(AgentError):
    """Nothing is known of the GPU's MIG instances; `code` is NVML's where it was the driver who refused."""

    def __init__(self, message: str, hint: str = "", code: int | None = None) -> None:
        super().__init__(message, hint)
        self.code = code

    @property
    def may_not(self) -> bool:
        return self.code == _NO_PERMISSION


class Surveyor:
    """One for each agent: it remembers the child that hangs. `helper` looks where the agent itself may not."""

    def __init__(self, helper: Privileged | None = None, *, limit_s: float = LIMIT_S) -> None:
        self._helper = helper
        self._limit_s = limit_s
        self._hung: asyncio.subprocess.Process | None = None

    async def look(self, uuid: str) -> Survey:
        """Raises CannotSurvey."""
        try:
            return await self._look(uuid)
        except CannotSurvey as error:
            if not error.may_not or self._helper is None:
                raise
            return await self._through(self._helper, uuid)

    async def _through(self, helper: Privileged, uuid: str) -> Survey:
        """Raises CannotSurvey."""
        match await helper.do(LookAtMig(gpu=uuid), OURSELVES):
            case Looked(survey=survey):
                return _survey(bytes(survey), b"")
            case Missing() as missing:
                reason = missing.reason
                raise CannotSurvey(f"to list MIG instances, {reason.text}", reason.hint, code=_NO_PERMISSION)
            case Failed(text=text, nvml=code):
                raise CannotSurvey(f"the driver does not tell its MIG instances: {text}", code=code)
            case other:
                raise CannotSurvey(f"a look at MIG was answered with {type(other).__name__}")

    async def _look(self, uuid: str) -> Survey:
        """By a child of this agent's own. Raises CannotSurvey."""
        if self._hung is not None and self._hung.returncode is None:
            text = f"the NVIDIA driver does not answer: the last look at MIG (pid {self._hung.pid}) still hangs in it"
            raise CannotSurvey(text, "see `dmesg` for Xid lines; the GPU may need a reset, or the machine a reboot")
        self._hung = None
        try:
            child = await self._begin(uuid)
        except OSError as error:
            text = f"no process can be started to look at MIG: {error.strerror or error}"
            raise CannotSurvey(text, "see `ulimit -u`") from None
        return _survey(*await self._hear(child))

    async def _hear(self, child: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        """What it says and what it complains of. Raises CannotSurvey."""
        try:
            async with asyncio.timeout(self._limit_s):
                return await child.communicate()
        except TimeoutError:
            self._hung = child
            text = f"the NVIDIA driver does not answer: a look at MIG took more than {self._limit_s:g} s"
            raise CannotSurvey(text, "see `dmesg` for Xid lines") from None
        finally:
            await _end(child)

    async def _begin(self, uuid: str) -> asyncio.subprocess.Process:
        """Raises OSError; cancelled, it leaves no child behind."""
        # -P: a directory called `agents` where the agent was started is not ours.
        argv = (sys.executable, "-P", "-m", "agents.gpus.migsurvey", uuid)
        pipe = asyncio.subprocess.PIPE
        beginning = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
            )
        )
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await _end(await beginning)
            raise


def _survey(said: bytes, complaint: bytes) -> Survey:
    """Raises CannotSurvey."""
    try:
        found = _decoder.decode(said)
    except msgspec.DecodeError:
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        text = f"a look at MIG ended without an answer: {lines[-1][:200] if lines else 'it said nothing'}"
        raise CannotSurvey(text) from None
    if isinstance(found, Refused):
        raise CannotSurvey(f"the driver does not tell its MIG instances: {found.text}", code=found.code)
    return found


async def _end(child: asyncio.subprocess.Process) -> None:
    """Killed, and waited for as long as a process takes that can be."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT_S):
            await child.wait()
