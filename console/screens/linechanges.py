"""A line that changes something → a plan on a page of its own. Nothing is changed by the line: `A` applies a plan."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial

from textual.app import App

from console import byhand, inventory, naming, profile_files
from console.naming import NotNamed, Target
from console.owned import whole_profile
from console.recorded_places import places
from console.screens.base import YardScreen
from console.screens.goesback import GoesBack
from console.screens.node import NodeScreen
from console.screens.plan import PlanScreen, Proposal, from_file
from console.screens.prompt import Step
from console.screens.revisions import RevisionsScreen
from console.screens.session import FleetDoor, OperationsDoor, Session
from console.screens.undo import undo_on
from console.store import Kind
from profiles.placing.cordon import NODE
from profiles.plans.cordon_plan import Place
from profiles.plans.moving import Places
from profiles.plans.plan import Plan
from profiles.plans.verb_plan import Verb
from profiles.text.document import FileError


class Changes:
    """The words that change something. What is wrong with a line raises NotNamed."""

    def __init__(self, session: Session, operations: OperationsDoor, fleet: FleetDoor) -> None:
        self._session, self._store = session, session.store
        self._operations, self._fleet = operations, fleet

    def step(self, word: str, words: Sequence[str]) -> Step:
        reason = " ".join((word, *words))
        match word:
            case "scale":
                return self._scale(words, reason)
            case "set":
                return self._set(words, reason)
            case "move":
                return self._move(words, reason)
            case "cordon" | "uncordon":
                there = [self._place(name) for name in words]
                make = partial(self._operations.propose_cordon, there, lift=word == "uncordon")
                return self._plan(reason, make)
            case "down":
                return self._down(words, reason)
            case "plan":
                return self._file(words)
            case "undo":
                return self._undo(words)
            case "rollback":
                return self._rollback(words)
            case _:
                targets = naming.instances(self._store, words)
                return self._plan(reason, partial(self._operations.propose, Verb(word), targets))

    def _plan(self, reason: str, make: Callable[[], Plan]) -> Step:
        return lambda app: _push(app, PlanScreen(self._session, Proposal(reason, make)))

    def _plan_placed(self, reason: str, profiles: Iterable[str], make: Callable[[Places], Plan]) -> Step:
        """Where the profiles that stand let their services run is asked of the nodes first."""

        async def ask(app: App[None]) -> None:
            there = await places(self._fleet, self._store, profiles)
            self._plan(reason, partial(make, there))(app)

        return lambda app: _work(app, partial(ask, app))

    def _scale(self, words: Sequence[str], reason: str) -> Step:
        name, count = _two(words, "scale SERVICE N")
        if not (count.isascii() and count.isdigit()):
            raise NotNamed("usage", f"{count} is no number of replicas")
        profile, _, service = naming.service(self._store, name).name.partition(":")

        def make(there: Places) -> Plan:
            return byhand.propose_scale(self._store, profile, service, int(count), there)

        return self._plan_placed(reason, [profile], make)

    def _set(self, words: Sequence[str], reason: str) -> Step:
        try:
            names, given, off = byhand.settings_of(words)
        except FileError as error:
            raise NotNamed("invalid", error.message, error.hint) from None
        if not names or not (given or off):
            raise NotNamed("usage", "say of what, and which key", "as in: set chat max_num_seqs=96")
        targets = naming.instances(self._store, names)
        return self._plan(reason, partial(byhand.propose_set, self._store, targets, given, off))

    def _move(self, words: Sequence[str], reason: str) -> Step:
        names, marked, where = _apart(words, "--to")
        if marked and len(where) != 1:
            raise NotNamed("usage", "say one place after --to", "a node, or NODE/0,NODE/1")
        targets = naming.instances(self._store, names)
        to = self._open(where[0].split(",")) if marked else None

        def make(there: Places) -> Plan:
            return byhand.propose_move(self._store, targets, there, to)

        return self._plan_placed(reason, self._owners(targets), make)

    def _down(self, words: Sequence[str], reason: str) -> Step:
        profile = self._profile(one(words, "down PROFILE"))
        targets = {(key.node, key.name) for key in whole_profile(self._store, profile)}
        return self._plan(reason, partial(self._operations.propose_down, profile, targets))

    def _file(self, words: Sequence[str]) -> Step:
        name, beside = one(words, "plan NAME"), self._session.inventory_path or inventory.find()
        path = profile_files.find(name, beside)
        if path is None:
            raise NotNamed("not_found", f"no profile {name} in {profile_files.directory(beside)}")
        proposal = from_file(self._operations, path)
        return lambda app: _push(app, PlanScreen(self._session, proposal))

    def _undo(self, words: Sequence[str]) -> Step:
        name = one(words, "undo NODE|PROFILE")
        if name not in self._store.nodes:
            return self._back(self._profile(name))
        if refusal := self._session.why_not(name):
            raise NotNamed("refused", f"nothing can be changed: {refusal}")
        page = NodeScreen(self._session, name)

        def go(app: App[None]) -> None:
            _push(app, page)
            _work(app, partial(undo_on, page, self._session, name))

        return go

    def _rollback(self, words: Sequence[str]) -> Step:
        profile, revision = _two(words, "rollback PROFILE REV")
        return self._back(self._profile(profile), revision)

    def _back(self, profile: str, revision: str | None = None) -> Step:
        """From the page of its revisions, where the way back is seen."""

        def go(app: App[None]) -> None:
            page: GoesBack = RevisionsScreen(self._session, profile)
            _push(app, page)
            page.call_after_refresh(page.go_back, profile, revision)

        return go

    def _profile(self, name: str) -> str:
        if name not in self._store.profiles():
            raise NotNamed("not_found", f"no node runs a profile {name}")
        return name

    def _place(self, name: str) -> Place:
        """A whole node, or `NODE/0`."""
        if "/" not in name:
            return Place(naming.node(self._store, name).node, NODE, None)
        key = naming.gpu(self._store, name)
        return Place(key.node, key.name, self._store.nodes[key.node].gpus[key.name].index)

    def _open(self, names: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Node → the UUIDs that may be used there: those that are named, or all of a node that is."""
        to: dict[str, frozenset[str]] = {}
        for name in names:
            key = naming.gpu(self._store, name) if "/" in name else naming.node(self._store, name)
            of_it = {key.name} if key.kind is Kind.GPU else self._store.nodes[key.node].gpus.keys()
            to[key.node] = to.get(key.node, frozenset()) | frozenset(of_it)
        return to

    def _owners(self, targets: Sequence[Target]) -> set[str]:
        nodes = self._store.nodes
        found = (nodes[node].desired.instances.get(name) for node, name in targets)
        return {owned.profile for owned in found if owned is not None}


def _push(app: App[None], page: YardScreen) -> None:
    app.push_screen(page)


def _work(app: App[None], ask: Callable[[], Coroutine[None, None, None]]) -> None:
    app.run_worker(ask(), exit_on_error=True, exclusive=True, group="line")


def one(words: Sequence[str], usage: str) -> str:
    """The only word. Raises NotNamed."""
    if len(words) != 1:
        raise NotNamed("usage", f"it is written {usage}")
    return words[0]


def _two(words: Sequence[str], usage: str) -> tuple[str, str]:
    if len(words) != 2:
        raise NotNamed("usage", f"it is written {usage}")
    return words[0], words[1]


def _apart(words: Sequence[str], mark: str) -> tuple[Sequence[str], bool, Sequence[str]]:
    """What stands before `mark`, whether it is there, and what stands after it."""
    at = words.index(mark) if mark in words else len(words)
    return words[:at], at < len(words), words[at + 1 :]
