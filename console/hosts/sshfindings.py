"""What this side brings to a login: lines of the ssh config, keys, certificates, what is known of the host's key.

Nothing here connects to a host; only an ssh agent on this machine is asked.
"""

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from console.hosts.sshconfig import Line, lines_for, values
from console.inventory import Node
from console.remote import certificate
from profiles.observed.finding import Finding, info, ok, problem, warning

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
KEYS_OFFERED_AT_MOST = 6
"""sshd's MaxAuthTries unless its config says otherwise: each key that is offered counts."""

SOON_S = 24 * 3600.0
AGENT_LIMIT_S = 3.0


async def look(node: Node, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    lines = lines_for(node.address)
    findings = [*_config(lines), *_keys(key_files(node, lines))]
    findings.append(await _agent(node, environ))
    findings.append(await asyncio.to_thread(_host_key, node))
    return findings


def _config(lines: list[Line]) -> Iterator[Finding]:
    judged = [line for line in lines if line.judged]
    if not judged:
        yield info("ssh_config", "no line of an ssh config is used")
    for line in judged:
        yield info("ssh_config", f"{line.place}: {line.word} {line.value}")
    if left := [line for line in lines if not line.judged]:
        fix = "`ssh -G HOST` shows what ssh makes of it"
        yield info("ssh_config", f"{left[0].place} and {len(left) - 1} more stand below a Match, not judged here", fix)


def key_files(node: Node, lines: list[Line]) -> list[Path]:
    """The identity files that a login offers: of the inventory, else of the ssh config, else the usual ones."""
    if node.identity_file:
        return [Path(node.identity_file).expanduser()]
    if named := values(lines, "identityfile"):
        return [Path(name.replace("%d", "~")).expanduser() for name in named]
    usual = [Path("~/.ssh").expanduser() / name for name in DEFAULT_KEYS]
    return [path for path in usual if path.exists()]


def _keys(files: list[Path]) -> Iterator[Finding]:
    if not files:
        yield info("ssh_keys", "no key file: an ssh agent must have the key")
    for file in files:
        yield _key(file)
        path = file.with_name(f"{file.name}-cert.pub")
        if path.exists():
            yield _certificate(path, time.time())


def _key(file: Path) -> Finding:
    try:
        found = file.stat()
    except OSError as error:
        fix = "correct `identity_file` or IdentityFile, or leave it out"
        return warning("ssh_keys", f"{file} is named, but cannot be read: {error.strerror}", fix)
    if found.st_mode & 0o077:
        text = f"{file} can be read by others (mode {stat.S_IMODE(found.st_mode):o})"
        return warning("ssh_keys", text, f"chmod 600 {file}; ssh refuses to use it, and others may have copied it")
    return ok("ssh_keys", f"{file}")


def _certificate(path: Path, now_unix_s: float) -> Finding:
    try:
        found = certificate.read(path.read_text())
    except (OSError, ValueError) as error:
        return warning("ssh_certificate", f"{path} cannot be read: {error}", "have it issued again")
    return judge_certificate(path, found, now_unix_s)


def judge_certificate(path: Path, found: certificate.Certificate, now_unix_s: float) -> Finding:
    who = f"{path} ({found.key_id}, for {', '.join(found.principals) or 'any name'})"
    fix = "have it issued again: a server says no more than `Permission denied` of it"
    if now_unix_s < found.from_unix_s:
        text = f"{who} is not valid before {_time(found.from_unix_s)}"
        return problem("ssh_certificate", text, "see this machine's clock, or have it issued again")
    if found.until_unix_s is None:
        return ok("ssh_certificate", f"{who} is valid without end")
    text = f"{who} is valid until {_time(found.until_unix_s)}"
    if now_unix_s >= found.until_unix_s:
        return problem("ssh_certificate", f"{who} has expired at {_time(found.until_unix_s)}", fix)
    return (
        warning("ssh_certificate", text, fix)
        if found.until_unix_s - now_unix_s < SOON_S
        else ok("ssh_certificate", text)
    )


def _time(at_unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_unix_s))


async def _agent(node: Node, environ: Mapping[str, str]) -> Finding:
    if node.identity_file:
        return info("ssh_agent", "not asked: the inventory names the key file")
    path = environ.get("SSH_AUTH_SOCK")
    if not path:
        return info("ssh_agent", "there is no ssh agent (SSH_AUTH_SOCK is not set)")
    import asyncssh

    try:
        async with asyncio.timeout(AGENT_LIMIT_S), asyncssh.connect_agent(path) as agent:
            names = [key.get_comment() or key.get_algorithm() for key in await agent.get_keys()]
    except (OSError, TimeoutError, asyncssh.Error, ValueError) as error:
        fix = "start it again, or unset SSH_AUTH_SOCK"
        return warning("ssh_agent", f"the ssh agent at {path} does not answer: {error}", fix)
    if len(names) > KEYS_OFFERED_AT_MOST:
        fix = "name the one to use: `identity_file` in the inventory; the server gives up before the right one is tried"
        return warning("ssh_agent", f"it has {len(names)} keys, more than a server lets one try", fix)
    return ok("ssh_agent", f"{len(names)} keys: {', '.join(names)}") if names else info("ssh_agent", "it has no key")


def _host_key(node: Node) -> Finding:
    import asyncssh

    from console.remote import hostkeys
    from console.remote.knownhosts import known_in
    from console.remote.sshtrust import Guard

    guard = Guard(node.address, node.known_hosts)
    try:
        options = asyncssh.SSHClientConnectionOptions(host=node.address, config=(), client_keys=None, agent_path=None)
    except (OSError, ValueError, asyncssh.Error) as error:
        return problem("host_key", f"the ssh config cannot be read: {error}", "correct ~/.ssh/config")
    guard.read(options.known_hosts)
    port = node.port or options.port
    asked_port = None if port == 22 else port
    keys, authorities, revoked, *_ = guard.known.match(options.host, "", asked_port)
    if keys or authorities:
        files = [file for file in guard.files if any(known_in([file]).match(options.host, "", asked_port)[:2])]
        how = ", ".join(sorted({hostkeys.fingerprint(key.public_data) for key in keys})) or "by a certificate authority"
        return ok("host_key", f"{options.host} port {port} is known from {', '.join(map(str, files))}: {how}")
    if revoked:
        return problem("host_key", f"the key of {options.host} is revoked", "ask its admin for the new one")
    fix = "compare its fingerprint with the host's own, then trust it: `gpuyard node trust`, or a yes to any command"
    return warning("host_key", f"no key of {options.host} port {port} is known", fix)
