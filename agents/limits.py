"""How much one console, and all of them together, may ask of an agent: the whole table, and what measures it.

What is refused for being too fast or too many says `busy` and when to come again; what is too large ends the
connection. A slow reader is no case for a limit: it loses resolution (agents.server.client).
"""

import re
import time
from collections.abc import Callable

import msgspec

from agents.framing import BadFrame


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are those of every daemon; tests lower them."""

    hello_bytes: int = 4 * 1024
    """Of the frame that a stranger may send."""
    request_bytes: int = 256 * 1024
    json_depth: int = 16
    json_members: int = 4096
    """Of one object or array."""
    json_string_bytes: int = 64 * 1024
    """A profile's text is one string."""
    clients: int = 64
    clients_a_person: int = 8
    hello_s: float = 5.0
    silence_s: float = 30.0
    """Consoles ping every 5 s."""
    in_flight: int = 16
    """Requests of one connection."""
    requests_per_s: float = 20.0
    requests_burst: int = 40
    changes_per_s: float = 2.0
    """Of one person, over all connections."""
    changes_burst: int = 5
    logs_in_flight: int = 4
    """Followed logs of one connection."""
    log_bytes_per_s: float = 8 * 1024 * 1024
    """Of all connections: more is answered later, and nothing is lost, since logs are read by offset."""
    denials_per_s: float = 1.0
    """Written to the audit one by one; more are only counted."""
    denials_burst: int = 20


DEFAULT = Limits()


class Bucket:
    """Lets `burst` through at once and `per_s` in the long run."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def take(self) -> float:
        """0 when one was taken, else the seconds until there is one."""
        self._fill()
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self._per_s

    def owe(self, amount: float) -> float:
        """Take `amount` in any case; the seconds until it is paid for."""
        self._fill()
        self._level -= amount
        return max(0.0, -self._level / self._per_s)

    @property
    def is_full(self) -> bool:
        """Nothing was taken for so long that it may be forgotten."""
        self._fill()
        return self._level >= self._burst

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now


# Possessive, and a lone quote is a match of its own: no input makes this look at a byte more than twice.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


def check_shape(payload: bytes, limits: Limits) -> None:
    """Raises BadFrame for JSON that is too deep, too wide or has too long a string, before anything is built of it."""
    members: list[int] = []
    for match in _TOKEN.finditer(payload):
        token = match[0]
        if token in (b"{", b"["):
            members.append(1)
            if len(members) > limits.json_depth:
                raise BadFrame(f"JSON deeper than {limits.json_depth} levels", "connect with gpuyard")
        elif token in (b"}", b"]"):
            if members:
                members.pop()
        elif token == b",":
            if members:
                members[-1] += 1
                if members[-1] > limits.json_members:
                    raise BadFrame(f"more than {limits.json_members} members in one", "ask for less at once")
        elif token == b'"':
            raise BadFrame("a string without an end")
        elif len(token) - 2 > limits.json_string_bytes:
            raise BadFrame(f"a string longer than {limits.json_string_bytes} bytes", "shorten it")
