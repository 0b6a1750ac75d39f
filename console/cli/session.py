"""From the options to a fleet whose nodes have answered, and what is said of those that have not."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from console import inventory as inventories
from console.author import author
from console.cli.output import CommandFailed, Exit, ask, is_interactive, say, say_reason
from console.inventory import Inventory
from console.operations import Operations
from console.pricing import load_prices
from console.remote import hostkeys
from console.remote.fleet import Fleet
from console.store import NodeState, NodeView, Store
from profiles.money.prices import Sheet
from profiles.observed.status import Reason
from profiles.text.document import FileError

ANSWER_LIMIT_S = 10.0
LOOK_EVERY_S = 0.02
FIRST_DELTA_LIMIT_S = 2.5

NO_ANSWER = Reason("timeout", f"no answer within {ANSWER_LIMIT_S:.0f} s", "see that the host is up and reachable")


@dataclass(frozen=True)
class Reached:
    """The fleet, once every node has answered, refused, or had its time."""

    store: Store
    fleet: Fleet
    operations: Operations
    running: "asyncio.Task[None]"

    def lost(self) -> list[NodeView]:
        """The nodes that have not answered."""
        return [view for view in self.store.nodes.values() if not view.counted]

    def say_lost(self, nodes: Iterable[NodeView] | None = None) -> Exit:
        """Name them on stderr, with the fix; the exit code that they make."""
        lost = self.lost() if nodes is None else list(nodes)
        for view in lost:
            say_reason(view.why or NO_ANSWER, view.name)
        return Exit.UNREACHABLE if lost else Exit.DONE


def inventory_path(options: argparse.Namespace) -> Path:
    """The file of `--inventory`, else the usual one; it need not exist."""
    return Path(options.inventory) if options.inventory else inventories.find()


def inventory_of(options: argparse.Namespace) -> Inventory:
    """Of `--inventory`, else the usual file if there is one, else this machine. Raises CommandFailed."""
    given: str | None = options.inventory
    path = inventory_path(options)
    found = inventories.local() if given is None and not path.exists() else _load(path)
    return _chosen(found, options.site, options.label)


def _chosen(inventory: Inventory, site: str | None, labels: Sequence[str]) -> Inventory:
    """What `--site` and `-l` leave of it. Raises CommandFailed."""
    if site is not None:
        try:
            inventory = inventories.at_site(inventory, site)
        except KeyError as error:
            hint = f"sites: {', '.join(error.args) or 'none'}"
            raise CommandFailed(Exit.USAGE, Reason("no_site", f"no node is at site {site}", hint)) from None
    try:
        return inventories.labelled(inventory, labels)
    except KeyError as error:
        term, *values = error.args
        hint = f"values of {term.partition('=')[0]}: {', '.join(values) or 'none'}"
        raise CommandFailed(Exit.USAGE, Reason("no_label", f"no node has the label {term}", hint)) from None


def prices_or_fail() -> Sheet:
    """Raises CommandFailed for a sheet of the user's own that cannot be used."""
    try:
        return load_prices()
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("bad_prices", str(error), error.hint)) from None


@asynccontextmanager
async def reached(inventory: Inventory) -> AsyncIterator[Reached]:
    """Connect to every node at once; unknown host keys are shown to whoever sits at the terminal."""
    store = Store()
    store.sheet = prices_or_fail()
    fleet = Fleet(inventory, store, author=author())
    running = asyncio.create_task(fleet.run())
    try:
        found = Reached(store, fleet, Operations(fleet, store), running)
        await _wait_answered(found)
        if _offer_trust(found):
            await _wait_answered(found)
        yield found
        for view in store.nodes.values():
            if view.doubt:
                say_reason(replace(view.doubt, hint=view.doubt.hint.replace("NODE", view.name)), view.name)
        _offer_new_keys(found)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def hear_events(found: Reached) -> None:
    """Events follow the snapshot at once, the first delta a second later: once it is here, so are they."""
    first = {view.name: view.status.at_unix_s for view in found.store.nodes.values() if view.status is not None}
    for _ in range(round(FIRST_DELTA_LIMIT_S / LOOK_EVERY_S)):
        if all(_heard(found.store.nodes[name], at) for name, at in first.items()):
            return
        await asyncio.sleep(LOOK_EVERY_S)


def _heard(view: NodeView, first: float) -> bool:
    return not view.counted or (view.status is not None and view.status.at_unix_s != first)


async def _wait_answered(found: Reached) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while any(_is_open(view) for view in found.store.nodes.values()):
                if found.running.done():
                    await found.running
                await asyncio.sleep(LOOK_EVERY_S)


def _is_open(view: NodeView) -> bool:
    return view.state is NodeState.CONNECTING or (view.state is NodeState.UP and view.status is None)


def _offer_trust(found: Reached) -> bool:
    """Whether a key was vouched for. Only a person at a terminal can; --yes is no answer to this."""
    trusted = False
    if not is_interactive():
        return False
    for name in found.store.nodes:
        key = found.fleet.unknown_key(name)
        if key is None:
            continue
        say(f"{name}: the host key of {key.host} port {key.port} is not known")
        say(f"{name}: {key.algorithm} {key.fingerprint}")
        if ask(f"{name}: does its admin confirm this fingerprint? Store it and connect?"):
            found.store.link(name, NodeState.CONNECTING)
            found.fleet.trust(name)
            trusted = True
    return trusted


def _offer_new_keys(found: Reached) -> None:
    """A known host has proved that it has new keys: recorded on a yes, never by itself."""
    for rotation in found.fleet.rotations():
        old = "".join(f", drops {key.algorithm} {key.fingerprint}" for key in rotation.removed)
        new = " and ".join(f"{key.algorithm} {key.fingerprint}" for key in rotation.added) or "no new key"
        text = f"{rotation.host} changes its host keys: it proves {new}{old}"
        if not is_interactive():
            say_reason(Reason("host_key_rotated", text, "any command at a terminal offers to record them"))
        elif ask(f"{text}. Record that?"):
            hostkeys.renew(rotation)


def _load(path: Path) -> Inventory:
    try:
        return inventories.load(path)
    except FileError as error:
        raise CommandFailed(Exit.USAGE, Reason("invalid_file", str(error), error.hint)) from None
