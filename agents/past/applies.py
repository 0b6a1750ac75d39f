"""The applies that this node took part in, on its disk: one file a profile, replaced whole.

    begin ─► applies/<profile>.json ─► note: wave, state ─► closed
                └── open, and nobody holds the node: a trouble of the node until somebody goes on with it

What a wave asks for is the desired document; here is only which wave that was, so nothing has to be written twice.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from agents import state
from agents.errors import Refused
from agents.events import EventLog
from agents.wire import BeginApply, NoteApply
from profiles.desired.model import DesiredInstance
from profiles.observed.status import EventKind, Reason
from profiles.revisions.applyjournal import ApplyJournal, ApplyState, Edit

CLOSED_KEPT = 50
LOOK_EVERY_S = 1.0
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class Applies:
    """Opens `directory`. `is_held` says whether somebody has the lease of the node, `told` hears what is left open.

    Raises BadState where a newer version wrote one of the files, OSError.
    """

    def __init__(
        self,
        directory: Path,
        events: EventLog,
        is_held: Callable[[], bool],
        told: Callable[[Reason | None], None],
        wall: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._events = events
        self._is_held = is_held
        self._told = told
        self._wall = wall
        self._journals: dict[str, ApplyJournal] = {}
        for path in sorted(directory.glob("*.json")):
            found = state.load(path, ApplyJournal)
            if isinstance(found, state.Damaged):
                events.append(EventKind.AGENT, f"{path.name}: {found.problem}", code="state_damaged")
                found = found.previous
            if found is not None:
                self._journals[found.profile] = found

    async def run(self) -> None:
        """Until cancelled, look whether an open one is somebody's."""
        while True:
            self._told(self.left_open())
            await asyncio.sleep(LOOK_EVERY_S)

    def all(self) -> tuple[ApplyJournal, ...]:
        return tuple(self._journals.values())

    def left_open(self) -> Reason | None:
        """The first that waits for somebody to go on with it."""
        held = self._is_held()
        for one in self._journals.values():
            if one.state is ApplyState.PAUSED or (one.state.is_open and not held):
                hint = f"`gpuyard apply --resume {one.id}` goes on, with --rollback it goes back"
                return Reason("apply_open", f"the apply of {one.text()}", hint)
        return None

    def begin(self, ask: BeginApply, now: Mapping[str, DesiredInstance], author: str) -> ApplyJournal:
        """What is kept of it. Raises Refused, OSError."""
        journal, edit = ask.journal, ask.journal.edits.get(ask.node)
        if not _NAME.fullmatch(journal.profile) or not _NAME.fullmatch(journal.id) or edit is None:
            raise Refused("invalid", "this is no journal of an apply for this node", "connect with gpuyard")
        before = {name: now[name] for name in journal.names(ask.node) if name in now}
        at = self._wall()
        kept = replace(
            journal, author=author, edits={ask.node: Edit(before=before, after=edit.after)}, began_unix_s=at,
            since_unix_s=at,
        )  # fmt: skip
        old = self._journals.get(journal.profile)
        self._save(kept)
        if old and old.state.is_open and old.id != kept.id:
            self._tell(replace(old, state=ApplyState.SUPERSEDED, why=None), author)
        self._tell(kept, author)
        self._forget_old()
        return kept

    def note(self, ask: NoteApply, author: str) -> None:
        """Raises Refused, OSError."""
        known = self._journals.get(ask.profile)
        if known is None or known.id != ask.id or not known.state.is_open:
            raise Refused("not_found", f"no apply {ask.id} of {ask.profile} is open on this node", "plan again")
        wave = known.wave if ask.wave is None else ask.wave
        new = replace(known, state=ask.state, wave=wave, why=ask.why, since_unix_s=self._wall())
        self._save(new)
        if new.state is not known.state:
            self._tell(new, author)

    def _save(self, journal: ApplyJournal) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        state.save(self._directory / f"{journal.profile}.json", journal)
        self._journals[journal.profile] = journal
        self._told(self.left_open())

    def _tell(self, journal: ApplyJournal, author: str) -> None:
        code = f"apply_{journal.state.replace(' ', '_')}"
        self._events.append(EventKind.AGENT, f"apply {journal.id}: {journal.text()}", author=author, code=code)

    def _forget_old(self) -> None:
        closed = sorted((one for one in self.all() if not one.state.is_open), key=lambda one: one.since_unix_s)
        for one in closed[:-CLOSED_KEPT]:
            path = self._directory / f"{one.profile}.json"
            path.with_name(f"{path.name}.prev").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            del self._journals[one.profile]
