"""The main places and the keys that lead there, in one table: the bindings and the bottom line come from it."""

from typing import NamedTuple

from textual.binding import Binding

from console.keys.keymap import USUAL, Keymap, shown


class Place(NamedTuple):
    key: str
    name: str
    label: str
    tooltip: str


PLACES = (
    Place("1", "pulse", "pulse", "Pulse: problems, services, map, changes"),
    Place("2", "nodes", "nodes", "All nodes"),
    Place("3", "gpus", "GPUs", "All GPUs"),
    Place("4", "services", "services", "All services"),
    Place("5", "instances", "instances", "All instances"),
    Place("6", "processes", "processes", "All processes on GPUs and of instances"),
    Place("7", "fractions", "fractions", "How GPUs are shared"),
    Place("8", "cost", "cost", "Money: now, idle, by whom"),
    Place("9", "profiles", "profiles", "Profiles: which revision stands, drift, plans, and the way back"),
    Place("c", "changes", "changes", "Changes: one time line of all nodes"),
    Place("a", "alerts", "alerts", "Alerts: what calls somebody, and who has it in hand"),
)
PLACE_BINDINGS = [
    Binding(place.key, f"go('{place.name}')", place.label, id=f"go.{place.name}", tooltip=place.tooltip)
    for place in PLACES
]
ROOMY_FROM, WIDE_FROM = 100, 140


def bottom(width: int, keymap: Keymap = USUAL) -> str:
    """The keys that work everywhere, for the right end of the bottom line."""
    keys = [_key(keymap, f"go.{place.name}", place.key) for place in PLACES]
    always = f"{_key(keymap, 'help', '?')} help  {_key(keymap, 'quit', 'q')} quit"
    if width >= ROOMY_FROM:
        always = f"{_key(keymap, 'command', ':')} command  {always}"
    if width >= WIDE_FROM:
        return "  ".join([*(f"{key} {place.label}" for key, place in zip(keys, PLACES, strict=True)), always])
    usual = keys == [place.key for place in PLACES]
    return f"{'1-9 c a' if usual else ' '.join(keys)} screens  {always}"


def _key(keymap: Keymap, name: str, usual: str) -> str:
    return shown(keymap[name].partition(",")[0]) if name in keymap else usual
