"""User certificates that are not valid now: said before the login, for sshd only says that it refused.

A refused login also counts against this machine's address (PerSourcePenalties, OpenSSH 9.8).
"""

import time
from collections.abc import Iterable

import asyncssh

from profiles.status import Reason

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
        after_s, before_s = window
        if after_s <= now_unix_s < before_s:
            return None
        if now_unix_s >= before_s:
            problems.append(f"the certificate of {name} expired {_span(now_unix_s - before_s)} ago")
        else:
            problems.append(f"the certificate of {name} is not valid before {_span(after_s - now_unix_s)} from now")
    if not problems:
        return None
    hint = "have it renewed, or see to this machine's clock; to log in by the key alone, remove its -cert.pub file"
    return Reason("certificate", "; ".join(problems), hint)


def _validity(pair: asyncssh.SSHKeyPair) -> tuple[int, int] | None:
    """From asyncssh 2.24.1, which keeps the certificate and its window to itself."""
    certificate = getattr(pair, "_cert", None)
    after_s, before_s = getattr(certificate, "_valid_after", None), getattr(certificate, "_valid_before", None)
    return (after_s, before_s) if isinstance(after_s, int) and isinstance(before_s, int) else None


def _span(seconds: float) -> str:
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"
