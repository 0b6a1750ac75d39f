"""One host as an installer sees it: a login over which scripts run and parts are sent. No asyncssh here."""

import asyncio
import re
import secrets
import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agents.wire import Delta, Happened, Hello, Snapshot
from console.hosts import facts, scripts
from console.hosts.errors import StepFailed
from console.hosts.facts import BadAnswer, Facts
from console.remote.errors import Lost
from console.remote.session import greet
from console.remote.ssh import SshConnection
from console.remote.stream import Executed
from profiles.observed.isolation import Tier
from profiles.observed.status import Reason
from profiles.text.clean import clean

SNAPSHOT_LIMIT_S = 15.0
_RECEIVE = 'umask 077; mkdir "$1" && tar -xf - -C "$1" || { rm -rf "$1"; exit 1; }'
_ENVIRONMENT_HINT = "read the line above on the host itself, then try again"
_HINTS = (
    (re.compile("No space left|Disk quota"), "make room there, then try again"),
    (re.compile("Read-only file system"), "it is mounted read-only: see its mount options"),
    (
        re.compile("Permission denied|Operation not permitted"),
        "see who owns that place, and that it is not mounted noexec",
    ),
    (re.compile("not what was sent"), "try again; where it happens twice, test the host's memory and disk"),
    (re.compile("GLIBC_|cannot execute|Exec format"), "the build does not fit this host: see `gpuyard node doctor`"),
)


class Seen(NamedTuple):
    """An agent that answers. `tier` None where it does not say."""

    hello: Hello
    way: str
    tier: Tier | None


class Host:
    """`reached` is its login; the caller closes it."""

    def __init__(self, reached: SshConnection) -> None:
        self._reached = reached

    async def facts(self) -> Facts:
        """Raises StepFailed, RemoteError."""
        done = await self._reached.execute(scripts.COMMAND, scripts.script("probe"))
        try:
            return facts.read(scripts.answers(done.stdout))
        except BadAnswer as error:
            said = last_line(done.stderr) or last_line(done.stdout.decode("utf-8", "replace")) or "it said nothing"
            hint = "see that the login has a POSIX shell"
            raise StepFailed(Reason("probe", f"{error}: {said}", hint)) from None

    async def receive(self, place: str, archive: bytes, sent: Callable[[int], None]) -> None:
        """Unpack a tar into the new directory `place`, whole or not at all. Raises StepFailed, RemoteError."""
        command = f"sh -c {shlex.quote(_RECEIVE)} gpuyard {shlex.quote(place)}"
        done = await self._reached.execute(command, archive, sent)
        if done.exit_status != 0:
            raise _failed("send", done)

    async def run(self, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """What the script `name` answers. Raises StepFailed with the step that it came to, RemoteError."""
        done = await self._reached.execute(scripts.COMMAND, scripts.script(name, values))
        said = dict(scripts.answers(done.stdout))
        if done.exit_status != 0 or "end" not in said:
            raise _failed(said.get("step", name), done)
        return said

    async def greet(self, own: Hello) -> Seen:
        """The agent's Hello and first snapshot. Raises RemoteError."""
        stream = await self._reached.open()
        try:
            session = await greet(stream, own)
            async with asyncio.timeout(SNAPSHOT_LIMIT_S):
                await session.run(_end_at_snapshot)
        except _Enough as enough:
            isolation = enough.snapshot.status.isolation
            return Seen(session.hello, stream.way, isolation.tier if isolation else None)
        except TimeoutError:
            text = f"no readings within {SNAPSHOT_LIMIT_S:.0f} s"
            raise Lost(Reason("timeout", text, "look at the agent's log there")) from None
        finally:
            stream.close()
        raise AssertionError("a session ends with an exception")


class _Enough(Exception):
    """Ends a session once the first snapshot is there."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


def _end_at_snapshot(frame: Snapshot | Delta | Happened) -> None:
    if isinstance(frame, Snapshot):
        raise _Enough(frame)


def incoming(directory: str) -> str:
    """A new name beside what is installed, on the same filesystem."""
    return f"{directory.rstrip('/')}/.gpuyard.{secrets.token_hex(6)}"


def _failed(step: str, done: Executed) -> StepFailed:
    said = last_line(done.stderr) or f"it ended with {done.exit_status}"
    hint = next((hint for sign, hint in _HINTS if sign.search(done.stderr)), _ENVIRONMENT_HINT)
    return StepFailed(Reason(step, said, hint))


def last_line(text: str) -> str:
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    return lines[-1] if lines else ""
