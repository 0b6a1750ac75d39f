"""One service in full: its replicas together, over one, five and thirty minutes."""

from collections.abc import Iterable

from textual.widget import Widget

from console.render.service import service_lines
from console.screens.base import YardScreen
from console.screens.session import Session
from console.store import Key
from console.widgets.lines import Lines


class ServiceScreen(YardScreen):
    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        self.crumb = f"services › {key.name.partition(':')[2]}"
        self._opened: set[Key] = set()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def on_mount(self) -> None:
        detail = self.query_one("#detail", Lines)
        detail.can_focus = True
        detail.focus()

    def on_unmount(self) -> None:
        for replica in self._opened:
            self.session.store.recorded.close(replica)

    def fill(self) -> None:
        replicas = set(self.session.store.members(self.key))
        for replica in replicas - self._opened:
            self.session.store.recorded.open(replica)
        for replica in self._opened - replicas:
            self.session.store.recorded.close(replica)
        self._opened = replicas
        self.query_one("#detail", Lines).show(service_lines(self.session.store, self.key, self.size.width))

    def tick(self) -> None:
        super().tick()
        if self.composed:
            self.fill()
