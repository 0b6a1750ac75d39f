"""Calls made by a child process each: the agent itself holds no right and loads no driver.

on record ──► child: words in, a line of JSON out ──► on record ──► Outcome
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from agents.privilege.answers import Answer, Created, Done, Failed, Looked, Missing, Outcome, Switched
from agents.privilege.calls import AnyCall, words
from agents.privilege.ways import Host, missing, way

LIMIT_S = 90.0
"""A reset of a GPU takes half a minute; a driver that hangs takes for ever."""

END_LIMIT_S = 1.0
"""One that can be killed is gone by then."""

NO_PERMISSION = 4
"""NVML_ERROR_NO_PERMISSION of nvml.h."""

Begin = Callable[[str, str], Callable[[str, str], None]]
"""Puts on record what is asked and by whom; gives what takes the result and a text. Raises Refused."""

_decoder = msgspec.json.Decoder(Done | Switched | Created | Looked | Failed)


class RootChild:
    """The `Privileged` of a daemon."""

    def __init__(self, begin: Begin, host: Host | None = None, *, limit_s: float = LIMIT_S) -> None:
        self._begin = begin
        self._host = host or Host()
        self._limit_s = limit_s
        self._turn = asyncio.Lock()

    async def do(self, call: AnyCall, author: str) -> Outcome:
        """What came of `call`. Raises Refused where it cannot be put on record; cancelled, the call goes on."""
        before = way(call, self._host)
        if isinstance(before, Missing):
            return before
        await self._turn.acquire()
        return await asyncio.shield(asyncio.ensure_future(self._made(call, before, author)))

    def may(self, call: AnyCall) -> Missing | None:
        """The right that `call` would lack, as far as that can be told before it is made."""
        before = way(call, self._host)
        return before if isinstance(before, Missing) else None

    async def _made(self, call: AnyCall, before: tuple[str, ...], author: str) -> Outcome:
        try:
            over = self._begin(" ".join(words(call)), author)
            outcome = await self._run(call, before)
        finally:
            self._turn.release()
        match outcome:
            case Failed(text=text):
                over("unavailable", text)
            case Missing(right=right):
                over("denied", f"it needs {right}")
            case _:
                over("done", "" if isinstance(outcome, Done | Looked) else msgspec.json.encode(outcome).decode())
        return outcome

    async def _run(self, call: AnyCall, before: tuple[str, ...]) -> Outcome:
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *before, *words(call), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Failed(text=f"no process can be started: {error.strerror}")
        try:
            async with asyncio.timeout(self._limit_s):
                said, complaint = await child.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError, PermissionError, TimeoutError):
                child.kill()
                async with asyncio.timeout(END_LIMIT_S):
                    await child.wait()
            return Failed(text=f"it took more than {self._limit_s:g} s; see `dmesg` and pid {child.pid}")
        return self._understood(call, before, said, complaint.decode("utf-8", "replace"))

    def _understood(self, call: AnyCall, before: tuple[str, ...], said: bytes, complaint: str) -> Outcome:
        lines = said.splitlines()
        try:
            outcome: Answer | Failed = _decoder.decode(lines[-1] if lines else b"")
        except msgspec.DecodeError:
            if before[0] == str(self._host.sudo):  # it says nothing of ours, so it did not let us through
                return missing(call, self._host)
            return Failed(text=f"it said nothing that can be understood: {' '.join(complaint.split())[-300:]}")
        if isinstance(outcome, Failed) and outcome.nvml == NO_PERMISSION:
            return missing(call, self._host)
        return outcome
