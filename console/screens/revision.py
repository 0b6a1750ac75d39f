"""One revision of a profile: who, why, and what it changed on each node, old → new."""

from collections.abc import Sequence

from console.back import Recorded
from console.operations import Requests
from console.render.fit import Line
from console.render.revisions import revision_lines
from console.revision_changes import Changes, revision_changes
from console.screens.detail import DetailScreen
from console.screens.session import Session
from profiles.revisions.merged import ProfileRevision


class RevisionScreen(DetailScreen):
    def __init__(self, session: Session, kept: Recorded, revision: ProfileRevision) -> None:
        super().__init__(session)
        self._kept, self._revision = kept, revision
        self._changes: Changes = {}
        self.crumb = f"profiles › {revision.profile} › r{revision.number}"

    def on_mount(self) -> None:
        if self.session.fleet is not None:
            self.run_worker(self._ask(self.session.fleet), exit_on_error=True)

    async def _ask(self, fleet: Requests) -> None:
        self._changes = await revision_changes(fleet, self._kept, self._revision)
        if self.composed:
            self.fill()

    def lines(self) -> Sequence[Line]:
        return revision_lines(self._revision, self._changes, self.session.store.wall(), self.size.width)
