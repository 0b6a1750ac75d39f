"""What every change passes between the role and the node.

answered before? ─► too fast? ─► someone else's lease? ─► intent durable ─► effect ─► outcome durable ─► answer kept
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from agents import wire
from agents.access.answers import Answers, digest_of
from agents.access.audit.log import AuditLog
from agents.access.audit.record import Kind, Record
from agents.access.caller import Caller
from agents.access.leases import Leases
from agents.errors import Refused
from agents.limits import DEFAULT, Bucket, Limits
from profiles.desired.model import Desired
from profiles.observed.status import Role

MAX_TARGET_CHARS = 500

Act = Callable[[], Awaitable[wire.AnyAnswer]]


class Gate:
    """One for all connections of a daemon."""

    def __init__(self, audit: AuditLog, leases: Leases, answers: Answers, limits: Limits = DEFAULT) -> None:
        self.audit = audit
        self.leases = leases
        self._answers = answers
        self._limits = limits
        self._rates: dict[str, Bucket] = {}

    async def change(
        self, caller: Caller, role: Role, ask: wire.Change, current: Desired, act: Act, *, emergency: bool
    ) -> wire.AnyAnswer:
        """What `act` answers, done once. An `emergency` is done even where it cannot be recorded at once.

        Raises Refused, OSError.
        """
        record = described(caller, role, ask, current)
        return await self._answers.once(
            caller.person, ask, partial(self._carry_out, caller, ask, record, act, emergency)
        )

    def denied(self, caller: Caller, role: Role | None, ask: wire.Ask, current: Desired, text: str) -> None:
        """Write down what somebody tried that he may not do."""
        self.audit.denied(described(caller, role, ask, current), text)

    async def _carry_out(
        self, caller: Caller, ask: wire.Change, record: Record, act: Act, emergency: bool
    ) -> wire.AnyAnswer:
        self._check_rate(caller, ask)
        if not isinstance(ask, wire.TakeLease | wire.ReleaseLease | wire.NoteShell | wire.NoteBudget):
            try:
                self.leases.check(ask)
            except Refused as refusal:
                self.audit.denied(record, refusal.message)
                raise
        name = self.audit.intent(record, emergency=emergency)
        began_s = time.monotonic()

        def over(result: str, text: str) -> None:
            self.audit.outcome(record, name, result, text, time.monotonic() - began_s)

        try:
            answer = await act()
        except Refused as refusal:
            over(refusal.code, refusal.message)
            raise
        except OSError as error:
            over("unavailable", str(error))
            raise
        except asyncio.CancelledError:
            over("interrupted", "the agent ended")
            raise
        over("done", _in_words(answer))
        return answer

    def _check_rate(self, caller: Caller, ask: wire.Change) -> None:
        """Raises Refused. Giving back is never too fast."""
        if isinstance(ask, wire.ReleaseLease):
            return
        self._rates = {person: rate for person, rate in self._rates.items() if not rate.is_full}
        limits = self._limits
        rate = self._rates.setdefault(caller.person, Bucket(limits.changes_per_s, limits.changes_burst))
        if wait_s := rate.take():
            text = f"more than {limits.changes_per_s:g} changes a second by {caller.peer.user}"
            raise Refused("busy", text, f"ask again in {wait_s:.1f} s", retry_after_s=wait_s)


def described(caller: Caller, role: Role | None, ask: wire.Ask, current: Desired) -> Record:
    """What is known of a request, without a value that could be a secret: options and variables go in as a digest."""
    said = caller.introduction
    reason = ask.reason if isinstance(ask, wire.SetDesired) else ask.purpose if isinstance(ask, wire.TakeLease) else ""
    return Record(
        seq=0, prev="", at_unix_s=0.0, boottime_s=0.0, boot_id="", agent_version="",
        kind=Kind.INTENT, verb=str(ask.__struct_config__.tag), target=_target(ask, current)[:MAX_TARGET_CHARS],
        digest=digest_of(ask), reason=reason[:MAX_TARGET_CHARS],
        uid=caller.peer.uid, user=caller.peer.user, role=str(role or "none"), way=said.way, label=said.label,
        label_believed=caller.label_believed, address=said.address, author=caller.author[:MAX_TARGET_CHARS],
        key=ask.key if isinstance(ask, wire.Change) else "", token=ask.token if isinstance(ask, wire.Change) else None,
    )  # fmt: skip


def _target(ask: wire.Ask, current: Desired) -> str:
    if isinstance(ask, wire.TakeLease):
        return "take over" if ask.force else ""
    if isinstance(ask, wire.BeginApply):
        return f"{ask.journal.id} of {ask.journal.profile}"
    if not isinstance(ask, wire.SetDesired):
        return msgspec.json.encode(ask).decode()
    before, after = current.instances, ask.instances
    return " ".join(name for name in sorted(before | after) if before.get(name) != after.get(name))


def _in_words(answer: wire.AnyAnswer) -> str:
    match answer:
        case wire.DesiredSet(generation=generation):
            return f"generation {generation}"
        case wire.LeaseTaken(token=token):
            return f"token {token}"
        case wire.Terminated(text=text):
            return text
    return ""
