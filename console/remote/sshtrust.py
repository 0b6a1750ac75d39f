"""Whether a host is who it was, and what every failure of ssh means to a person.

asyncssh says "not trusted" for an unknown and for a changed host key alike, so the guard looks for itself:
UNKNOWN may be vouched for by a person, CHANGED is never accepted.
"""

import errno
import os
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

import asyncssh

from console.remote import hostkeys
from console.remote.errors import HostKeyUnknown, LinkRefused, Lost, RemoteError
from console.remote.hostkeys import Rotation
from console.remote.knownhosts import KnownHosts, known_in
from profiles.observed.status import Reason

USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class Guard(asyncssh.SSHClient):
    """Watches one connect: what is known of the host, and the key that it showed. `told` hears of a rotation."""

    def __init__(self, host: str, known_hosts: str | None = None, told: Callable[[str], None] | None = None) -> None:
        self.host = host
        self._told = told
        self.known = KnownHosts()
        self.files: list[Path] = [hostkeys.own_file()]
        if known_hosts:
            self.files.append(Path(known_hosts).expanduser())
        self.shown: tuple[str, str, int, asyncssh.SSHKey] | None = None
        self.rotation: Rotation | None = None
        """What a host that is known has proved of its new keys."""

    def read(self, configured: object) -> None:
        """Read the console's file and the user's: those that the ssh config names, else the usual ones."""
        named = configured if isinstance(configured, list) and configured else USER_FILES
        self.files += [Path(str(name)).expanduser() for name in named]
        self.files.append(hostkeys.SYSTEM_FILE)
        self.known = known_in(self.files)

    def heard(self, host: str, port: int, added: list[asyncssh.SSHKey], removed: list[asyncssh.SSHKey]) -> None:
        """The host has proved the keys `added` over a connection by a key that is known (PROTOCOL §2.5)."""
        known = self.known.match(host, "", None if port == 22 else port)[0]
        self.rotation = rotation(host, port, added, removed, known)
        if self.rotation and self._told:
            self._told(self.host)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Called for a key that is not among the known ones; remembers it and says no."""
        self.shown = (host, addr, port, key)
        return False


def rotation(
    host: str, port: int, added: list[asyncssh.SSHKey], removed: list[asyncssh.SSHKey], known: list[asyncssh.SSHKey]
) -> Rotation | None:
    """The new keys of a kind that is known of this host, and those of the console's own file that it gave up.

    Keys of other kinds come with nearly every host and say nothing.
    """
    kinds = {key.get_algorithm() for key in known}
    own = known_in([hostkeys.own_file()]).match(host, "", None if port == 22 else port)[0]
    shown = [
        [hostkeys.unknown_key(host, port, key.get_algorithm(), key.public_data) for key in keys]
        for keys in (
            [key for key in added if key.get_algorithm() in kinds or removed],
            [key for key in removed if key in own],
        )
    ]
    if not any(shown):
        return None
    return Rotation(host=host, port=port, added=tuple(shown[0]), removed=tuple(shown[1]))


def explain(error: Exception, guard: Guard) -> RemoteError:
    """What `error` of a connect means. An Exception of another kind is a fault in us and is raised on."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _host_key(error, guard)
        case asyncssh.KeyExchangeFailed():
            hint = "see which algorithms its sshd allows; a host that changed its kind of host key shows this too"
            return _refused("key_exchange", f"no common algorithm with {guard.host}: {error.reason}", hint)
        case asyncssh.PermissionDenied():
            hint = f"see that `ssh {shlex.quote(guard.host)}` works for you, and which user and key the inventory names"
            return _refused("auth_failed", f"{guard.host} refused the login", hint)
        case asyncssh.ConfigParseError():
            return _refused("ssh_config", f"the ssh config cannot be read: {error}", "correct ~/.ssh/config")
        case asyncssh.KeyImportError():
            hint = "a key with a passphrase belongs into ssh-agent; then leave `identity_file` out"
            return _refused("auth_failed", f"the key cannot be used: {error}", hint)
        case socket.gaierror():
            return _lost("name_unresolved", f"the name {guard.host} is not known", "correct `address`, or see to DNS")
        case ConnectionRefusedError():
            return _lost("refused", f"nothing listens for ssh on {guard.host}", "see that sshd runs, and `port`")
        case TimeoutError():
            return _lost("timeout", f"{guard.host} does not answer", "see that the host is up and reachable")
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return _too_many_files()
        case OSError():
            return _lost("unreachable", f"{guard.host} cannot be reached: {error.strerror or error}")
        case asyncssh.ChannelOpenError():
            return _lost("refused", f"the jump host cannot reach {guard.host}: {error.reason}")
        case asyncssh.Error():
            return _lost("lost", f"ssh to {guard.host} ended: {error.reason}")
        case ValueError() if _no_file_can_be_opened():
            return _too_many_files()  # asyncssh could not read who we are, for one
        case ValueError():
            hint = "see the ssh config, and `user` in the inventory"
            return _refused("ssh_config", f"ssh to {guard.host} cannot be set up: {error}", hint)
    raise error


def _no_file_can_be_opened() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in hostkeys.NO_FILES_LEFT
    return False


def _too_many_files() -> Lost:
    return _lost("too_many_files", "this console has too many files open", "raise its limit: `ulimit -n 65536`")


def _host_key(error: asyncssh.HostKeyNotVerifiable, guard: Guard) -> RemoteError:
    if guard.shown is None:
        hint = "ask its admin; a certificate's authority is trusted by a `@cert-authority` line in known_hosts"
        return _refused("host_key_changed" if "revoked" in error.reason else "host_key_unknown", error.reason, hint)
    host, addr, port, key = guard.shown
    shown = hostkeys.unknown_key(host, port, key.get_algorithm(), key.public_data, guard.host)
    asked_port = None if port == 22 else port
    before = guard.known.match(host, addr, asked_port)[0]
    if not before:
        text = f"the host key of {host} is not known: {key.get_algorithm()} {shown.fingerprint}"
        hint = "compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then trust it:"
        hint += " `t` among the nodes of the console, a yes to any command at a terminal, or `gpuyard node trust`"
        return HostKeyUnknown(Reason("host_key_unknown", text, hint), shown)
    name = shlex.quote(host if asked_port is None else f"[{host}]:{port}")
    old = " or ".join(sorted({hostkeys.fingerprint(known.public_data) for known in before}))
    place = next((file for file in guard.files if known_in([file]).match(host, addr, asked_port)[0]), guard.files[0])
    text = f"THE HOST KEY OF {host} HAS CHANGED: was {old}, is {shown.fingerprint}"
    hint = f"do not connect until its admin confirms; then: ssh-keygen -R {name} -f {shlex.quote(str(place))}"
    return _refused("host_key_changed", text, hint)


def _refused(code: str, text: str, hint: str = "") -> LinkRefused:
    return LinkRefused(Reason(code, text, hint))


def _lost(code: str, text: str, hint: str = "") -> Lost:
    return Lost(Reason(code, text, hint))
