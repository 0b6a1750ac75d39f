"""What was done as root, in the audit: `verb` is `root`, `target` the words of the call."""

import os
import time
from collections.abc import Callable

from agents.access.audit.log import AuditLog
from agents.access.audit.record import Kind, Record
from agents.access.peer import Peer


def recorded(audit: AuditLog) -> Callable[[str, str], Callable[[str, str], None]]:
    """For agents.privilege.child: the intent is durable before the call, or Refused is raised."""
    me = Peer(os.getpid(), os.geteuid())

    def begin(what: str, author: str) -> Callable[[str, str], None]:
        record = Record(
            seq=0, prev="", at_unix_s=0.0, boottime_s=0.0, boot_id="", agent_version="",
            kind=Kind.INTENT, verb="root", target=what, uid=me.uid, user=me.user, way="agent", author=author,
        )  # fmt: skip
        name = audit.intent(record)
        began_s = time.monotonic()
        return lambda result, text: audit.outcome(record, name, result, text, time.monotonic() - began_s)

    return begin
