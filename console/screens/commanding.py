"""What an app does with a line: a place and its filter, a page, or a plan on a page of its own.

`:` ──► the prompt ──► prepare ──► a step          a key of one's own, the palette ──► run_line ──► a step
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from textual.app import App

from console import contexts, inventory, naming, profile_files
from console.contexts import Opened
from console.keyboard import OneKeyAtATime
from console.keys.history import History, usual
from console.keys.words import CHANGES, OTHERS, PAGES, Takes, Vocabulary, Word
from console.naming import NotNamed
from console.screens.base import YardScreen
from console.screens.contexts import step as context_step
from console.screens.gpu import GpuScreen
from console.screens.help import HelpScreen
from console.screens.instance import InstanceScreen
from console.screens.linechanges import Changes, one
from console.screens.logs import LogsScreen
from console.screens.node import NodeScreen
from console.screens.places import PLACES
from console.screens.process import ProcessScreen
from console.screens.prompt import Prompt, Step
from console.screens.revisions import RevisionsScreen
from console.screens.service import ServiceScreen
from console.screens.session import Session
from profiles.text.document import FileError

READABLE_S = 12.0


class Commanded(OneKeyAtATime):
    """An app of places that takes lines."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.goes_to: Opened | None = None
        """The context that is opened when this console is over."""

    def action_command(self) -> None:
        """`:` over the screen on top."""

        def given(step: Step | None) -> None:
            if step is not None:
                step(self)

        known = vocabulary(self.session)
        self.push_screen(Prompt(self.session.store, known, History(usual()), self.prepare), given)

    def run_line(self, line: str) -> None:
        """As if it had been typed."""
        try:
            step = self.prepare(line)
        except NotNamed as wrong:
            text = f"{wrong.reason.text}. {wrong.reason.hint}".strip()
            self.notify(text, severity="error", timeout=READABLE_S, markup=False)
        else:
            step(self)

    def action_go(self, name: str, needle: str | None = None) -> None:
        """To one of the main places, from anywhere, as it was left; with a `needle`, to what it shows of that."""
        while len(self.screen_stack) > 2:
            self.pop_screen()
        if name != "pulse":
            self.push_screen(name)
        place = self.screen
        if needle is not None and isinstance(place, YardScreen):
            place.call_after_refresh(place.show_only, needle)

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.session, self.screen))

    def action_capsule(self) -> None:
        from console.capsule.keeping import keep

        self.run_worker(keep(self, self.session), name="capsule", exclusive=True, group="capsule")

    def prepare(self, line: str) -> Step:
        """What carries `line` out. Raises NotNamed before anything is done."""
        word, _, rest = line.partition(" ")
        known = vocabulary(self.session).find(word)
        if known is None:
            raise NotNamed("unknown", f"there is no command {word}", "tab completes, ? on a screen lists keys")
        if known.takes is Takes.FILTER:
            return lambda app: self.action_go(word, rest or None)
        words = rest.split()
        if known.takes is Takes.CONTEXT:
            return context_step(self.session, words, self._leave)
        if bool(words) is not bool(known.takes):
            raise NotNamed("usage", f"it is written {word} {known.takes}".rstrip())
        if known in CHANGES:
            return self._changes().step(word, words)
        if known in PAGES:
            return page(self.session, word, one(words, f"{word} {known.takes}"))
        does = {"help": self.action_help, "capsule": self.action_capsule, "quit": self.exit}[word]
        return lambda app: does()

    def _leave(self, found: Opened) -> None:
        self.goes_to = found
        self.exit()

    def _changes(self) -> Changes:
        operations, fleet = self.session.operations, self.session.fleet
        if refusal := self.session.why_read_only:
            raise NotNamed("read_only", f"nothing can be changed: {refusal}")
        if operations is None or fleet is None:
            raise NotNamed("early", "the fleet is still being reached", "try again in a moment")
        return Changes(self.session, operations, fleet)


def vocabulary(session: Session) -> Vocabulary:
    """The places, then what there is for everything else."""
    beside = session.inventory_path or inventory.find()
    places = tuple(Word(place.name, Takes.FILTER, place.tooltip) for place in PLACES)
    return Vocabulary((*places, *PAGES, *CHANGES, *OTHERS), partial(profile_files.names, beside), context_names)


def context_names() -> Iterator[str]:
    """None of a file that cannot be used: `:ctx NAME` says what is wrong with it."""
    with suppress(FileError):
        yield from contexts.load(contexts.usual())


def page(session: Session, word: str, name: str) -> Step:
    """The page of what is called `name`. Raises NotNamed."""
    store = session.store
    screen: YardScreen
    match word:
        case "node" | "ssh":
            screen = NodeScreen(session, naming.node(store, name).node)
        case "gpu":
            screen = GpuScreen(session, naming.gpu(store, name))
        case "service":
            screen = ServiceScreen(session, naming.service(store, name))
        case "process":
            screen = ProcessScreen(session, naming.process(store, name))
        case "profile":
            screen = RevisionsScreen(session, name)
        case "logs":
            screen = LogsScreen(session, naming.instance(store, name))
        case _:
            screen = InstanceScreen(session, naming.instance(store, name))

    def show(app: App[None]) -> None:
        app.push_screen(screen)
        if word == "ssh" and isinstance(screen, NodeScreen):
            screen.call_after_refresh(screen.action_shell)

    return show
