"""The console as a Textual app.

run ─► first paint ─► fleet starts (asyncssh is imported here) ─► frames ─► Store
                                              4 Hz flush ─► the screen on top
"""

import asyncio
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.geometry import Size

from console.author import author
from console.contexts import Opened, ThemeName
from console.desktop import note
from console.directories import state_directory
from console.inventory import Inventory
from console.keys import keymap
from console.screens.alerts import AlertsScreen
from console.screens.base import YardScreen
from console.screens.changes import ChangesScreen
from console.screens.commanding import Commanded
from console.screens.cost import CostScreen
from console.screens.fractions import FractionsScreen
from console.screens.gpus import GpusScreen
from console.screens.instances import InstancesScreen
from console.screens.nodes import NodesScreen
from console.screens.palette import Palette
from console.screens.places import PLACE_BINDINGS, PLACES
from console.screens.processes import ProcessesScreen
from console.screens.profiles import ProfilesScreen
from console.screens.pulse import PulseScreen
from console.screens.services import ServicesScreen
from console.screens.session import FleetDoor, Session
from console.store import Store
from console.theme import THEMES
from profiles.text.document import FileError
from profiles.watching.alerts import Stage

FLUSH_S = 0.25
ALERTS_EVERY_S = 1.0
GC_THRESHOLDS = (20_000, 20, 100)
"""A full collection with 8,000 rows stops everything for 80 ms; rows hold no cycles, so it can be rare."""
SCREENS: Mapping[str, Callable[[Session], YardScreen]] = {
    "pulse": PulseScreen,
    "nodes": NodesScreen,
    "gpus": GpusScreen,
    "services": ServicesScreen,
    "instances": InstancesScreen,
    "cost": CostScreen,
    "processes": ProcessesScreen,
    "fractions": FractionsScreen,
    "profiles": ProfilesScreen,
    "changes": ChangesScreen,
    "alerts": AlertsScreen,
}
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Yard(Commanded):
    """One session. Without an inventory nothing is reached: tests and benchmarks fill the store themselves."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    COMMANDS = {Palette}
    BINDINGS: ClassVar = [
        *PLACE_BINDINGS,
        Binding(
            "colon",
            "command",
            "command",
            key_display=":",
            id="command",
            tooltip="A place, a page or a verb, in the words of the command line",
        ),
        Binding("question_mark", "help", "help", key_display="?", id="help", tooltip="This page"),
        Binding(
            "K",
            "capsule",
            "capsule",
            id="capsule",
            tooltip="A capsule: the last 15 minutes of all nodes in one file, secrets taken out",
        ),
        Binding("q,ctrl+c", "quit", "quit", id="quit", tooltip="Leave; engines go on"),
    ]

    def __init__(self, session: Session, inventory: Inventory | None = None) -> None:
        super().__init__(session)
        self._inventory = session.inventory = inventory
        self._clock = ""
        self._sized: Size | None = None
        self.ended_by: int | None = None
        self.report: Path | None = None
        """Where the traceback of a crash was written."""

    def on_mount(self) -> None:
        gc.set_threshold(*GC_THRESHOLDS)
        for theme in THEMES.values():
            self.register_theme(theme)
        context = self.session.context
        self.theme = THEMES[context.theme if context else ThemeName.YARD].name
        self._take_keymap()
        session = self.session
        for place in PLACES:
            self.install_screen(SCREENS[place.name](session), place.name)
        self.push_screen("pulse")
        self.set_interval(FLUSH_S, self.flush)
        for number in ENDING_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._end, number)
        self.call_after_refresh(self._start)

    def _take_keymap(self) -> None:
        """The operator's own keys; a file that cannot be used leaves those that ship."""
        try:
            self.session.keymap = keymap.load(keymap.usual())
        except FileError as error:
            self.notify(f"{error}: all keys are as they ship. {error.hint}".strip(), severity="error", markup=False)
            return
        if self.session.keymap:
            self.set_keymap(self.session.keymap)
            for conflict in keymap.conflicts(self.session.keymap)[:1]:
                self.notify(f"{conflict.text}: `gpuyard keys` lists all.", severity="warning", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        if event.size != self._sized:  # also told when a shell gives the terminal back
            self._sized = event.size
            self.clear_notifications()  # they keep the place that they had, over rows or answers

    def on_unmount(self) -> None:
        for number in ENDING_SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _end(self, number: int) -> None:
        self.ended_by = number
        self.exit(return_code=128 + number)

    def _start(self) -> None:
        if self._inventory is not None:
            self.run_worker(self._reach(self._inventory), name="fleet")

    def _fleet(self, inventory: Inventory) -> FleetDoor:
        """What fills the store and is asked: imported here, after the first paint."""
        from console.remote.fleet import Fleet

        return Fleet(inventory, self.session.store, author=author())

    async def _reach(self, inventory: Inventory) -> None:
        from console.budget_watch import BudgetWatch
        from console.operations import Operations
        from console.past import Past
        from console.pricing import load_prices

        try:
            self.session.store.sheet = load_prices()
        except FileError as error:
            text = f"{error}: nothing has a price. {error.hint}".strip()
            self.notify(text, severity="error", markup=False)
        self._hold_rules()
        fleet = self._fleet(inventory)
        self.session.fleet = fleet
        self.session.operations = Operations(fleet, self.session.store)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fleet.run())
            tasks.create_task(Past(fleet, self.session.store).run())
            if not self.session.why_read_only:
                tasks.create_task(BudgetWatch(fleet, self.session.store).run())

    def _hold_rules(self) -> None:
        from console.alerting import Alerting, usual_quiet, usual_rules

        try:
            self.session.alerting = Alerting(self.session.store, usual_rules(), usual_quiet())
        except FileError as error:
            self.notify(f"{error}: nobody is called. {error.hint}".strip(), severity="error", markup=False)
            return
        self.set_interval(ALERTS_EVERY_S, self.call)

    def call(self) -> None:
        """Tell of what began to fire: on the screen, by the bell, and by a note of the terminal where it has them."""
        if (alerting := self.session.alerting) is None:
            return
        fired = [alert for alert in alerting.look() if alert.stage is Stage.FIRING]
        notify = alerting.rules.notify
        if fired and notify.bell:
            self.bell()
        for alert in fired if notify.desktop else ():
            if (text := note(os.environ, "gpuyard", alert.text)) and self._driver is not None:
                self._driver.write(text)

    def flush(self) -> None:
        """Bring the screen on top up to the store. Nothing is painted where nothing changed."""
        store = self.session.store
        store.age()
        dirty = store.take_dirty()
        top = next((screen for screen in reversed(self.screen_stack) if isinstance(screen, YardScreen)), None)
        if top is None or not top.composed:
            return
        top.take(dirty)
        if self.session.clock() != self._clock:
            self._clock = self.session.clock()
            top.tick()

    def _fatal_error(self) -> None:
        """Textual would print local variables, in which secrets may be; this report has none."""
        self.report = write_report(traceback.format_exc())
        self._close_messages_no_wait()


def write_report(text: str) -> Path:
    """Keep a traceback in a file that only its owner reads."""
    state = state_directory()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = state / f"crash-{os.getpid()}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path


def run(opened: Opened, *, read_only: bool = False) -> int:
    """Open the console, and again for each context that is gone to; the exit status: 0, 1 after a crash,
    128 + n after signal n. `read_only` holds in all of them."""
    while True:
        app = Yard(session_of(opened, read_only=read_only), opened.inventory)
        app.run()
        if app.goes_to is None or app.report is not None:
            return say_crash(app)
        opened = app.goes_to


def session_of(opened: Opened, *, read_only: bool = False) -> Session:
    """With all nodes that are not reached yet."""
    store, nodes = Store(), opened.inventory.nodes
    for name, node in nodes.items():
        store.add_node(name, node.site, node.labels, node.owner)
    sites = sorted({node.site for node in nodes.values() if node.site})
    return Session(
        sites[0] if len(sites) == 1 else "", store, read_only, inventory_path=opened.path, context=opened.context
    )


def say_crash(app: Yard) -> int:
    """The exit status of an app that is over, and where its report is after a crash."""
    if app.report is not None:
        print(f"gpuyard: stopped by a fault of its own; the report is in {app.report}", file=sys.stderr)
    return app.return_code or 0
