"""One lease for the node, with a fencing token: whoever rolls something out is not interfered with.

    TakeLease ──► token n+1, durable before it is answered ──► changes with n+1 ──► ReleaseLease
         others meanwhile: without a token `leased`, with an older one `fenced`
         silent for its time, or an admin forces it: the next one gets n+2, and n+1 is `fenced`

The lease is politeness, the token is safety: a console that slept while another took over changes nothing when it
wakes. Time is that since boot, so no step of the wall clock ends a lease or lengthens it.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents import state
from agents.access.audit.log import boottime_s
from agents.access.caller import Caller
from agents.errors import Refused
from agents.events import EventLog
from agents.processes import tree
from agents.wire import Change, LeaseReleased, LeaseTaken, ReleaseLease, TakeLease
from profiles.observed.status import EventKind

TTL_LEAST_S = 5.0
TTL_MOST_S = 300.0
MAX_PURPOSE_CHARS = 200


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """lease.json: the newest token that was ever given out, and for what."""

    token: int = 0
    holder: str = ""
    purpose: str = ""
    ttl_s: float = 0.0
    at_unix_s: float = 0.0
    boot_id: str = ""
    released: bool = True


class Leases:
    """Opens `path`. After a restart of the agent the holder gets its whole time anew; a reboot ends every lease."""

    def __init__(
        self,
        path: Path,
        events: EventLog,
        *,
        clock: Callable[[], float] = boottime_s,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._events = events
        self._clock = clock
        self._wall = wall
        self._caller: Caller | None = None
        self._last = self._read()
        self._taken_s = clock()
        self._heard_s = clock()

    @property
    def is_held(self) -> bool:
        last = self._last
        return not last.released and self._clock() - self._heard_s < last.ttl_s

    def heard(self, caller: Caller) -> None:
        """The connection that took the lease is alive."""
        if caller is self._caller and self.is_held:
            self._heard_s = self._clock()

    def check(self, ask: Change) -> None:
        """Raises Refused unless `ask` may change the node now."""
        if ask.token is not None:
            self._check_token(ask.token)
            self._heard_s = self._clock()
        elif self.is_held:
            raise self._leased()

    def take(self, caller: Caller, ask: TakeLease) -> LeaseTaken:
        """Raises Refused, OSError when the token cannot be made durable: then it is not given out."""
        if self.is_held and not ask.force:
            raise self._leased()
        ttl_s = min(max(ask.ttl_s, TTL_LEAST_S), TTL_MOST_S)
        before, was_held = self._last, self.is_held
        new = Granted(
            token=before.token + 1,
            holder=f"{caller.author} (user {caller.peer.user})",
            purpose=ask.purpose[:MAX_PURPOSE_CHARS],
            ttl_s=ttl_s,
            at_unix_s=self._wall(),
            boot_id=tree.boot_id(),
            released=False,
        )
        state.save(self._path, new)
        self._last, self._caller = new, caller
        self._taken_s = self._heard_s = self._clock()
        if was_held:
            text = f"{new.holder} took the lease over from {before.holder} ({before.purpose})"
            self._events.append(EventKind.AGENT, text, author=caller.author, code="lease_forced")
        return LeaseTaken(token=new.token, ttl_s=ttl_s)

    def release(self, ask: ReleaseLease) -> LeaseReleased:
        """Raises Refused, OSError."""
        if ask.token is None:
            raise Refused("invalid", "a lease is released by its token")
        self._check_token(ask.token)
        released = msgspec.structs.replace(self._last, released=True)
        state.save(self._path, released)
        self._last, self._caller = released, None
        return LeaseReleased()

    def _check_token(self, token: int) -> None:
        """One that ran out is good as long as nobody else was given the next."""
        last = self._last
        if token == last.token and not last.released:
            return
        if token == last.token:
            raise Refused("fenced", f"the lease with token {token} was released", "take the lease again")
        what = f"{last.holder} took over: {last.purpose}" if token < last.token else "it was never given out"
        raise Refused("fenced", f"the token {token} is not the newest, {last.token} is: {what}", "plan again")

    def _leased(self) -> Refused:
        last = self._last
        age_s, left_s = self._clock() - self._taken_s, last.ttl_s - (self._clock() - self._heard_s)
        text = f"{last.holder} holds this node since {age_s:.0f} s: {last.purpose or 'no purpose given'}"
        hint = f"wait until it is done (at most {left_s:.0f} s after its last word), or let an admin --take-over"
        return Refused("leased", text, hint)

    def _read(self) -> Granted:
        """Raises BadState, OSError."""
        match state.load(self._path, Granted):
            case None:
                return Granted()
            case Granted() as found:
                return found if found.boot_id == tree.boot_id() else msgspec.structs.replace(found, released=True)
            case damaged:
                # No count is larger than the microseconds since 1970, so none that was given out is good any more.
                token = int(self._wall() * 1e6)
                self._events.append(EventKind.AGENT, f"{damaged.problem}: all leases are over", code="state_damaged")
                return Granted(token=token)
