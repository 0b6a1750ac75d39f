"""User certificates that are not valid now: said before the login, for sshd only says that it refused.

A refused login also counts against this machine's address (PerSourcePenalties, OpenSSH 9.8).
"""

import time
from collections.abc import Iterable

import asyncssh

from console.remote import certificate
from profiles.observed.status import Reason

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def not_valid(keys: "Iterable[asyncssh.SSHKeyPair]", now_unix_s: float | None = None) -> Reason | None:
    """Why no certificate of `keys` is of use now; None where one is, or there is none."""
    now_unix_s = time.time() if now_unix_s is None else now_unix_s
    problems = []
    for pair in keys:
        window = _validity(pair)
        if window is None:
            continue
        name = pair.get_comment() or "the key"
        if now_unix_s < window.from_unix_s:
            begins = _span(window.from_unix_s - now_unix_s)
            problems.append(f"the certificate of {name} is not valid before {begins} from now")
        elif window.until_unix_s is not None and now_unix_s >= window.until_unix_s:
            problems.append(f"the certificate of {name} expired {_span(now_unix_s - window.until_unix_s)} ago")
        else:
            return None
    if not problems:
        return None
    hint = "have it renewed, or see to this machine's clock; to log in by the key alone, remove its -cert.pub file"
    return Reason("certificate", "; ".join(problems), hint)


async def not_valid_in_agent(path: str | None) -> Reason | None:
    """The same of the certificates that the ssh-agent at `path` holds, for a login that was refused.

    It is no reason not to try one: beside an old certificate, an agent holds the bare key.
    """
    if path is None:
        return None
    try:
        async with asyncssh.connect_agent(path) as agent:
            why = not_valid(await agent.get_keys())
    except (OSError, ValueError, asyncssh.Error):
        return None
    return why and Reason(why.code, f"the login was refused: {why.text}", "have it renewed, then `ssh-add` it anew")


def _validity(pair: asyncssh.SSHKeyPair) -> certificate.Certificate | None:
    try:
        return certificate.decode(pair.public_data) if pair.has_cert else None
    except ValueError:  # one of X.509
        return None


def _span(seconds: float) -> str:
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"
