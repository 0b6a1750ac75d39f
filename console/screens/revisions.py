"""One profile: its services, and the revisions of it that nodes keep; tags, and the way back to any of them."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget

from console.back import Recorded, recorded
from console.operations import Requests
from console.render.profilepage import profile_lines
from console.render.revisions import PROFILE_REVISION_COLUMNS, profile_revision_cells
from console.render.table import Row
from console.screens.asking import Asking
from console.screens.goesback import GoesBack
from console.screens.revision import RevisionScreen
from console.screens.session import Session
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.tagging import tag
from console.widgets.lines import Lines
from console.widgets.rows import Rows
from profiles.revisions.merged import ProfileRevision


class RevisionsScreen(GoesBack, TableScreen):
    kind = Kind.REVISION
    columns = PROFILE_REVISION_COLUMNS
    empty = "asking the nodes what they keep …"
    BINDINGS = [
        Binding("R", "rollback", "roll back", id="revisions.rollback", tooltip="Plan the way to this revision"),
        Binding("t", "tag", "tag", id="revisions.tag", tooltip="Give it a name, under which it is kept"),
        Binding("u", "undo_profile", "undo", id="revisions.undo", tooltip="Take back the revision that stands"),
    ]

    def __init__(self, session: Session, profile: str) -> None:
        super().__init__(session)
        self.profile = profile
        self.crumb = f"profiles › {profile}"
        self._kept = Recorded({})
        self._found: dict[Key, ProfileRevision] = {}
        self._asked_at: tuple[tuple[str, int], ...] | None = None

    def body(self) -> Iterable[Widget]:
        yield Lines(id="services")
        yield from super().body()

    def make(self, key: Key) -> Row | None:
        one = self._found.get(key)
        if one is None:
            return None
        return Row(key, tuple(profile_revision_cells(one, self.session.store.wall())), dim=not one.stands_on)

    def keys(self) -> list[Key]:
        """Newest first."""
        return list(self._found)[::-1]

    def take(self, dirty: set[Key]) -> None:
        """What nodes keep is not told by itself: `tick` asks where a document is another one."""

    def tick(self) -> None:
        super().tick()
        if not self.composed:
            return
        self.query_one("#services", Lines).show(profile_lines(self.session.store, self.profile, self.size.width))
        views = self.session.store.nodes.values()
        now = tuple((view.name, view.desired.generation) for view in views if view.counted)
        if self.session.fleet is not None and self.is_current and now != self._asked_at:
            self._asked_at = now
            self.ask(self.session.fleet)

    def ask(self, fleet: Requests) -> None:
        self.run_worker(self._ask(fleet), exit_on_error=True, exclusive=True, group="revisions")

    async def _ask(self, fleet: Requests) -> None:
        self._kept = await recorded(fleet, self.session.store)
        self._found = {
            Key(Kind.REVISION, "", f"{one.profile}:{one.number}:{one.digest[:12]}"): one
            for one in self._kept.of(self.profile)
        }
        if self.composed:
            table = self.table()
            table.empty = "no node keeps a revision of it: it was applied by an older version"
            table.load(self.keys())
        for node, failed in self._kept.refused.items():
            self.say(f"{node}: {failed.reason.text}. {failed.reason.hint}", bad=True)

    def node_in_hand(self) -> str:
        """`U` is of a node, and none is in hand here; `u` is of the profile."""
        return ""

    def action_rollback(self) -> None:
        if one := self._in_hand():
            self.go_back(self.profile, f"r{one.number}")

    def action_undo_profile(self) -> None:
        self.go_back(self.profile)

    def action_tag(self) -> None:
        one = self._in_hand()
        if one is None:
            return
        refusal = next(filter(None, (self.session.why_not(node) for node in one.on)), "")
        if refusal:
            self.say(f"Nothing can be changed: {refusal}.", bad=True)
            return

        def answered(name: str | None) -> None:
            if name:
                self.run_worker(self._tag(one, name), exit_on_error=True)

        self.app.push_screen(Asking(f"A name for r{one.number} of {self.profile}:", "known-good"), answered)

    async def _tag(self, one: ProfileRevision, name: str) -> None:
        fleet = self.session.fleet
        if fleet is None:
            return
        for answer in await tag(fleet, one, name):
            if answer.reason is not None:
                self.say(f"{answer.node}: {answer.reason.text}. {answer.reason.hint}", bad=True)
            else:
                self.say(f"{answer.node}: r{one.number} is {name}")
        self.ask(fleet)

    def _in_hand(self) -> ProfileRevision | None:
        cursor = self.table().cursor
        return self._found.get(cursor) if cursor else None

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        if one := self._found.get(event.key):
            self.app.push_screen(RevisionScreen(self.session, self._kept, one))
