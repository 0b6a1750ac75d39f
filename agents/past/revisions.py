"""The last desired documents of this node, and those that stand or have a name, one immutable file each.

    set_desired ──► desired.json ──► Revisions.record ──► revisions/<generation>.json ──► heads(), document(g)

The document itself is the truth and is written first; a revision that the disk refused is held until it takes it,
and one that a crash kept from being written is made up for at the next start, without the profile's text.
"""

import contextlib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agents import state
from agents.errors import BadState, Refused
from agents.events import EventLog
from agents.past.tags import Tags
from agents.wire import SetTag
from profiles.desired.model import Cordon, Desired, DesiredInstance
from profiles.desired.standing import Standing
from profiles.observed.status import EventKind
from profiles.revisions.heads import pinned, stood
from profiles.revisions.revision import Revision, digest, what_changed

KEPT = 20


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one file."""

    head: Revision
    instances: dict[str, DesiredInstance] = {}
    profile_text: str = ""
    cordons: dict[str, Cordon] = {}
    standing: dict[str, Standing] = {}

    @property
    def desired(self) -> Desired:
        """The document as it was set."""
        head = self.head
        return Desired(
            generation=head.generation,
            instances=self.instances,
            author=head.author,
            reason=head.reason,
            cordons=self.cordons,
            standing=self.standing,
        )


class Revisions:
    """Opens `directory`; a file that cannot be read is set aside with an event. Raises OSError."""

    def __init__(self, directory: Path, tags: Tags, events: EventLog, *, kept: int = KEPT) -> None:
        self._directory = directory
        self._tags = tags
        self._events = events
        self._kept = kept
        directory.mkdir(mode=0o700, exist_ok=True)
        self._heads: dict[int, Revision] = {}
        self._last: Kept | None = None
        self._unwritten: dict[int, Kept] = {}
        for path in sorted(directory.glob("*.json")):
            if (one := self._load(path)) is not None:
                self._heads[one.head.generation] = one.head
                self._last = one

    @property
    def newest(self) -> int:
        """The last generation that is kept; 0 before the first."""
        return max(self._heads, default=0)

    @property
    def last(self) -> Desired | None:
        """The newest document that is kept, as it was set."""
        return self._last.desired if self._last else None

    def heads(self) -> tuple[Revision, ...]:
        """Oldest first, each with its names of now."""
        return tuple(
            replace(head, tags=self._tags.of(head.applied)) if head.applied else head
            for _, head in sorted(self._heads.items())
        )

    def find(self, generation: int) -> Kept | None:
        """The document that stood at `generation`; None when it is not kept, or cannot be read."""
        head = stood(self.heads(), generation)
        if head is None:
            return None
        return self._unwritten.get(head.generation) or self._load(self._path(head.generation))

    def document(self, generation: int) -> Kept:
        """As `find`. Raises Refused where it finds nothing."""
        found = self.find(generation)
        if found is None:
            oldest = min(self._heads, default=None)
            hint = "nothing is kept yet" if oldest is None else f"the oldest that is kept is {oldest}"
            raise Refused("not_found", f"the document of generation {generation} is gone", hint)
        return found

    def since(self, generation: int, current: Desired) -> str:
        """What became of the document after `generation`, and by whom, in short; "" where nothing is known."""
        then = self.find(generation)
        if then is None or _digest(then.desired) == _digest(current):
            return ""
        authors = [head.author for known, head in sorted(self._heads.items()) if known > generation]
        by = ", ".join(dict.fromkeys(author or "nobody" for author in (*authors, current.author)))
        return f"{by}: {what_changed(then.desired, current)}"

    def tag(self, ask: SetTag, author: str) -> int:
        """The number that had the name before, 0 for none; durable. Raises Refused, OSError."""
        return self._tags.take(ask, self._heads.values(), author)

    def record(self, desired: Desired, profile_text: str = "", applied: Standing | None = None) -> None:
        """Keep `desired` if it means something else than the newest, or is of another revision.

        A disk that refuses stops no edit. Which revision it applied is made up for where a crash has lost it.
        """
        before = self.last
        stands = _newly(before or Desired(), desired)
        if stands is None and before is not None and _digest(before) == _digest(desired):
            return
        head = Revision(
            generation=desired.generation,
            digest=_digest(desired),
            author=desired.author,
            reason=desired.reason,
            at_unix_s=desired.at_unix_s or None,
            what=what_changed(before or Desired(), desired),
            instances=len(desired.instances),
            has_text=bool(profile_text),
            applied=stands and replace(stands, nodes=applied.nodes if applied else ()),
            follows=self._last.head.generation if self._last else None,
        )
        one = Kept(
            head=head,
            instances=desired.instances,
            profile_text=profile_text,
            cordons=desired.cordons,
            standing=desired.standing,
        )
        self._heads[head.generation] = head
        self._last = one
        self._unwritten[head.generation] = one
        self._forget_old()
        with contextlib.suppress(OSError):  # what the disk refuses is held, and `flush` tries again
            self.flush()

    def flush(self) -> None:
        """Write what is held. Raises OSError when the disk still refuses."""
        for generation, one in list(self._unwritten.items()):
            state.save(self._path(generation), one)
            del self._unwritten[generation]

    def _forget_old(self) -> None:
        standing = self._last.standing if self._last else {}
        kept = pinned([self._heads[one] for one in sorted(self._heads)], standing, self._tags.tagged, self._kept)
        for generation in self._heads.keys() - kept:
            del self._heads[generation]
            self._unwritten.pop(generation, None)
            with contextlib.suppress(OSError):  # a disk that only reads: the next start finds one too many
                self._path(generation).unlink(missing_ok=True)

    def _load(self, path: Path) -> Kept | None:
        try:
            found = state.load(path, Kept)
        except BadState as error:
            self._tell(str(error), "state_newer")
            return None
        if isinstance(found, state.Damaged):
            self._tell(found.problem, "state_damaged")
            return None
        return found

    def _path(self, generation: int) -> Path:
        return self._directory / f"{generation:010}.json"

    def _tell(self, text: str, code: str) -> None:
        with contextlib.suppress(OSError):  # the disk that refused may refuse this as well
            self._events.append(EventKind.AGENT, text, code=code)


def _newly(before: Desired, now: Desired) -> Standing | None:
    """The revision that `now` applied."""
    return next((one for name, one in now.standing.items() if before.standing.get(name) != one), None)


def _digest(document: Desired) -> str:
    return digest(document.instances, document.cordons)
