"""Seal the logins of a group on a host: sshd's settings are written, tried as one of the group, and kept if they hold.

Two logins at once: the one of the inventory, which needs root's rights, writes and waits for the verdict; the other,
of an account of the group, is made afresh for each try. seal.sh puts back what was there for every verdict but `keep`.
"""

import asyncio
import time
from typing import NamedTuple

import asyncssh
from msgspec.structs import replace

from console.hosts import scripts
from console.hosts.errors import HostError, StepFailed
from console.hosts.facts import Facts
from console.hosts.host import Host, last_line
from console.hosts.install import Progress
from console.hosts.report import Outcome, Result
from console.hosts.sealed import Door, doors, snippet
from console.inventory import Node
from console.remote.errors import LinkRefused, Lost, RemoteError
from console.remote.ssh import SYSTEM_SOCKET, Dialler
from profiles.observed.status import Reason

RELOAD_LIMIT_S = 5.0
"""By when sshd has read its settings anew; it may refuse connections meanwhile."""
TRY_EVERY_S = 0.2
NO_RIGHTS = "no_rights"


class Seal(NamedTuple):
    """`account` is the one of `group` that the settings are tried as, by the keys of the inventory."""

    account: str
    group: str


class Sealed(NamedTuple):
    """`file` has the settings where all doors are right, else it is as it was. `changed`: it was not before."""

    file: str
    changed: bool
    doors: list[Door]

    @property
    def holds(self) -> bool:
        return all(one.is_right for one in self.doors)

    @property
    def why(self) -> Reason | None:
        """What does not hold; sshd has what it had before."""
        wrong = [one.name for one in self.doors if one.is_open and not one.is_right]
        if wrong:
            hint = "see which Match of sshd's settings stands before these; sshd has what it had"
            return Reason("seal", f"open all the same: {', '.join(wrong)}", hint)
        if not self.holds:
            hint = "see that the system's agent runs and its roles.toml names the group; sshd has what it had"
            return Reason("seal", "the agent's socket is not reached", hint)
        return None


async def seal_brought(result: Result, node: Node, wanted: Seal, dialler: Dialler, progress: Progress) -> None:
    """The last step of a host that was brought in. Never raises for what it does: the result says it."""
    result.step = "seal"
    progress("seal", 0)
    began = time.monotonic()
    try:
        found = await seal(node, wanted, dialler)
    except (HostError, RemoteError) as error:
        result.failed(error.reason, unreachable=isinstance(error, Lost))
    else:
        if found.why:
            result.failed(found.why, unreachable=False)
        elif found.changed:
            result.outcome = Outcome.DONE
            result.notes.append(f"logins of {wanted.group} are sealed")
    result.seconds += time.monotonic() - began


async def seal(node: Node, wanted: Seal, dialler: Dialler) -> Sealed:
    """Raises HostError, whose reason's code is NO_RIGHTS where the login may not write them, and RemoteError."""
    connection = await dialler.login(node)
    try:
        facts = await Host(connection).facts()
        command = _command(facts)
        settings = snippet(wanted.group, node.socket or SYSTEM_SOCKET)
        values = {**wanted._asdict(), "own": facts.user, "settings": settings.rstrip()}
        async with connection.raw.create_process(command, encoding="utf-8", errors="replace") as process:
            return await _carry_out(process, scripts.script("seal", values), node, wanted, dialler)
    except (OSError, asyncssh.Error) as error:
        raise Lost(Reason("lost", f"the link broke: {error}; sshd has what it had before")) from None
    finally:
        await connection.close()


def _command(facts: Facts) -> str:
    """Raises StepFailed."""
    if facts.is_root:
        return scripts.COMMAND
    if facts.sudo:
        return f"sudo -n {scripts.COMMAND}"
    text = f"{facts.user} is neither root there nor may become it without a password (`sudo -n`)"
    hint = "let an admin of the host put what `gpuyard node sealed` prints at the end of its sshd_config"
    raise StepFailed(Reason(NO_RIGHTS, text, hint))


async def _carry_out(process: "asyncssh.SSHClientProcess[str]", script: bytes, node: Node, wanted: Seal,
                     dialler: Dialler) -> Sealed:  # fmt: skip
    """Raises StepFailed, RemoteError, OSError, asyncssh.Error."""
    process.stdin.write(script.decode())
    said = await _until(process, "try")
    if "try" not in said:
        why = last_line(await process.stderr.read()) or "the script did not come to its end"
        raise StepFailed(Reason("seal", why, said.get("hint", "see the host's log")))
    verdict = "back"
    try:
        found = Sealed(said["file"], "unchanged" not in said, await _tried(node, wanted, dialler))
        verdict = "keep" if found.holds else verdict
    finally:
        process.stdin.write(f"{verdict}\n")
        process.stdin.write_eof()
        ended = await _until(process, "end")
    if found.holds and "end" not in ended:
        raise StepFailed(Reason("seal", "the settings could not be kept", "sshd has what it had before"))
    return found


async def _until(process: "asyncssh.SSHClientProcess[str]", key: str) -> dict[str, str]:
    """What the script says up to `key`, or to its end."""
    said: dict[str, str] = {}
    while key not in said and (line := await process.stdout.readline()):
        said |= scripts.answers(line.encode())
    return said


async def _tried(node: Node, wanted: Seal, dialler: Dialler) -> list[Door]:
    """Afresh until all is right or sshd has had its time. Raises RemoteError."""
    as_account = replace(node, user=wanted.account)
    socket = node.socket or SYSTEM_SOCKET
    end = asyncio.get_running_loop().time() + RELOAD_LIMIT_S
    while True:
        is_over = asyncio.get_running_loop().time() > end
        try:
            found = await tried(as_account, socket, dialler)
            if is_over or all(one.is_right for one in found):
                return found
        except Lost:
            if is_over:
                raise
        except LinkRefused as error:
            hint = (
                f"put one of your keys into what sshd reads for it; its password field must be `*`, not `!` ({error})"
            )
            raise LinkRefused(Reason(error.reason.code, f"{wanted.account} cannot log in", hint)) from None
        await asyncio.sleep(TRY_EVERY_S)


async def tried(node: Node, socket: str, dialler: Dialler) -> list[Door]:
    """Every door, by a login of its own. Raises RemoteError."""
    login = await dialler.login(node)
    try:
        return await doors(login.raw, socket)
    except (OSError, asyncssh.Error) as error:
        raise Lost(Reason("lost", f"the link broke while doors were tried: {error}")) from None
    finally:
        await login.close()
