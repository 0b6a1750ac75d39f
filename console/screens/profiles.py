"""Profiles: which revision stands, how much of it serves, what was edited by hand; plan its file, or go back."""

from textual import on
from textual.binding import Binding

from console import inventory, profile_files
from console.render.profiles import PROFILE_COLUMNS, profile_row
from console.render.table import Row
from console.screens.goesback import GoesBack
from console.screens.plan import PlanScreen, from_file
from console.screens.revisions import RevisionsScreen
from console.screens.tables import TableScreen
from console.store import Key, Kind
from console.widgets.rows import Rows


class ProfilesScreen(GoesBack, TableScreen):
    crumb = "profiles"
    kind = Kind.PROFILE
    columns = PROFILE_COLUMNS
    empty = "no profiles yet: `gpuyard apply -f PROFILE.yaml` makes nodes run one"
    BINDINGS = [
        Binding("p", "plan", "plan", id="profiles.plan", tooltip="What its file would change: profiles/NAME.yaml"),
        Binding("u", "undo_profile", "undo", id="profiles.undo", tooltip="Take back its revision that stands"),
    ]

    def make(self, key: Key) -> Row | None:
        return profile_row(self.session.store, key)

    def node_in_hand(self) -> str:
        """`U` is of a node, and none is in hand here; `u` is of the profile."""
        return ""

    def take(self, dirty: set[Key]) -> None:
        """A profile is all its instances: once a second is often enough (`tick`)."""

    def tick(self) -> None:
        super().tick()
        if self.composed:
            table = self.table()
            table.empty = self.blank(self.empty)
            table.change({*self.keys(), *table.order.rows})

    def action_plan(self) -> None:
        profile, operations = self.table().cursor, self.session.operations
        if profile is None or operations is None:
            return
        beside = self.session.inventory_path or inventory.find()
        path = profile_files.find(profile.name, beside)
        if path is None:
            file = profile_files.directory(beside) / f"{profile.name}.yaml"
            self.say(f"There is no {file}. `gpuyard profile save {profile.name}` writes one.", bad=True)
        else:
            self.app.push_screen(PlanScreen(self.session, from_file(operations, path)))

    def action_undo_profile(self) -> None:
        if (profile := self.table().cursor) is not None:
            self.go_back(profile.name)

    @on(Rows.Opened)
    def _open(self, event: Rows.Opened) -> None:
        self.app.push_screen(RevisionsScreen(self.session, event.key.name))
