"""One service in full: its replicas together, over one, five and thirty minutes."""

from collections.abc import Sequence

from console.render.fit import Line
from console.render.service import service_lines
from console.screens.judging import Judged
from console.screens.session import Session
from console.store import Key


class ServiceScreen(Judged):
    def __init__(self, session: Session, key: Key) -> None:
        super().__init__(session)
        self.key = key
        self.crumb = f"services › {key.name.partition(':')[2]}"
        self._opened: set[Key] = set()

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
        super().fill()

    def subject(self) -> Key:
        return self.key

    def facts(self) -> Sequence[Line]:
        return service_lines(self.session.store, self.key, self.size.width)
