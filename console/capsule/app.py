"""The console on a capsule: the same screens, and keys for its clock."""

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding
from textual.widgets import Input

from console.app import Yard, say_crash
from console.capsule.pack import Capsule
from console.capsule.replay import Replay
from console.inventory import Inventory
from console.screens.base import YardScreen
from console.screens.session import FleetDoor, Session

SEEK_S = 10.0


class ReplayYard(Yard):
    BINDINGS: ClassVar = [
        Binding("space", "play", "play", id="replay.play", priority=True, tooltip="Play or pause the replay"),
        Binding("left", "seek(-1)", "−10 s", id="replay.seek", priority=True, tooltip="Ten seconds back or on"),
        Binding("right", "seek(1)", "+10 s", id="replay.seek", priority=True, tooltip="Ten seconds back or on"),
        Binding("less_than_sign", "speed(-1)", "slower", key_display="<", id="replay.speed", priority=True,
                tooltip="Slower or faster"),
        Binding("greater_than_sign", "speed(1)", "faster", key_display=">", id="replay.speed", priority=True,
                tooltip="Slower or faster"),
    ]  # fmt: skip

    def __init__(self, replay: Replay, name: str = "") -> None:
        super().__init__(Session(name, replay.store, read_only=True, replay=replay), Inventory(nodes={}))
        self.replay = replay

    def on_mount(self) -> None:
        self.notify("space plays and pauses, ← → seek 10 s, < > speed, ? all keys", markup=False)

    def _fleet(self, inventory: Inventory) -> FleetDoor:
        return self.replay

    def _hold_rules(self) -> None:
        """Nobody is called for what was."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("play", "seek", "speed"):
            return not isinstance(self.focused, Input)  # who types a filter means the letters
        return super().check_action(action, parameters)

    def action_play(self) -> None:
        self.replay.toggle()
        self._show()

    def action_seek(self, way: int) -> None:
        self.replay.seek(way * SEEK_S)
        self._show()

    def action_speed(self, by: int) -> None:
        self.replay.faster(by)
        self._show()

    def _show(self) -> None:
        """At once, whole: a key is answered before the next flush."""
        if isinstance(self.screen, YardScreen) and self.screen.composed:
            self.screen.fill()
            self.screen.tick()


def run(capsule: Capsule, path: Path) -> int:
    """Open it; the exit status as that of the console."""
    app = ReplayYard(Replay(capsule), path.name)
    app.run()
    return say_crash(app)
