"""Names that people gave to revisions of profiles: a revision that has one is kept."""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from agents import state
from agents.errors import Refused
from agents.events import EventLog
from agents.wire import SetTag
from profiles.desired.standing import Standing
from profiles.observed.status import EventKind
from profiles.revisions.heads import of_revision
from profiles.revisions.revision import Revision

MAX_TAGS = 64
"""Of all profiles together: each keeps a document."""

_NAME = re.compile(r"[a-z](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NUMBER = re.compile(r"r[0-9]+")


class Tags:
    """Opens the file at `path`; one that cannot be read is set aside with an event. Raises OSError, BadState."""

    def __init__(self, path: Path, events: EventLog) -> None:
        self._path = path
        self._events = events
        found = state.load(path, dict[str, dict[str, Standing]])
        if isinstance(found, state.Damaged):
            with contextlib.suppress(OSError):  # the disk that refused may refuse this as well
                events.append(EventKind.AGENT, found.problem, code="state_damaged")
            found = found.previous
        self._names: dict[str, dict[str, Standing]] = found or {}
        """Profile → name → revision."""

    @property
    def tagged(self) -> list[Standing]:
        return [one for names in self._names.values() for one in names.values()]

    def of(self, revision: Standing) -> tuple[str, ...]:
        """The names of a revision."""
        return tuple(sorted(name for name, one in self._names.get(revision.profile, {}).items() if one.same(revision)))

    def take(self, ask: SetTag, heads: Iterable[Revision], author: str) -> int:
        """The number that had the name before, 0 for none; durable. Raises Refused, OSError."""
        if not _NAME.fullmatch(ask.tag) or _NUMBER.fullmatch(ask.tag):
            hint = "a small letter first, then digits, `.`, `_` and `-` as well; `r7` is a number"
            raise Refused("invalid", f"{ask.tag!r} is no name for a revision", hint)
        wanted = Standing(profile=ask.profile, number=ask.number, digest=ask.digest)
        names = dict(self._names.get(ask.profile, {}))
        before = names.pop(ask.tag, None)
        text = f"{ask.tag} of {ask.profile} is gone"
        if ask.number:
            if not of_revision(heads, wanted):
                raise Refused("not_found", f"r{ask.number} of {ask.profile} is not kept here", "it has no name now")
            if before is None and len(self.tagged) >= MAX_TAGS:
                raise Refused("invalid", f"{MAX_TAGS} revisions have a name here", "take one away: `tag --delete`")
            names[ask.tag] = wanted
            text = f"r{ask.number} of {ask.profile} is {ask.tag}"
        new = {**self._names, ask.profile: names}
        state.save(self._path, {profile: one for profile, one in new.items() if one})
        self._names = new
        self._events.append(EventKind.DESIRED, text, author=author, code="tagged")
        return before.number if before else 0
