"""Every binding of every screen, found without opening one: the keymap, `gpuyard keys` and tests read it.

app ── screen ── the widget that has the focus: a key belongs to the innermost that binds it
"""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import NamedTuple

from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen

_FRAMES = ("YardScreen", "TableScreen", "DetailScreen")
"""What screens are made from; none of them is ever shown."""


class Bound(NamedTuple):
    """One key of one binding. Several may have the same id: `j` and `down` are both `rows.down`."""

    id: str
    key: str
    """In Textual's words: `question_mark`."""
    action: str
    text: str


class ScreenKeys(NamedTuple):
    """The bindings of a screen, the outermost first: of those with the same key the last one has it."""

    name: str
    bindings: tuple[Bound, ...]


@cache
def screens() -> tuple[ScreenKeys, ...]:
    """All screens and dialogs by name; `replay` is what a replay adds to any screen."""
    from console import screens as room
    from console.app import Yard
    from console.capsule.app import ReplayYard

    for module in pkgutil.iter_modules(room.__path__):
        import_module(f"{room.__name__}.{module.name}")
    app = bound(Yard)
    found = []
    for kind in sorted(set(_ours(Screen)), key=lambda kind: kind.__name__):
        if issubclass(kind, ModalScreen):
            found.append(ScreenKeys(kind.__name__.lower(), bound(kind)))
        elif kind.__name__.endswith("Screen") and kind.__name__ not in _FRAMES:
            name = kind.__name__.removesuffix("Screen").lower()
            found.append(ScreenKeys(name, (*app, *bound(kind), *_held(kind))))
    replay = tuple(one for one in bound(ReplayYard) if one not in app)
    return (*found, ScreenKeys("replay", replay))


def bound(kind: type[DOMNode]) -> tuple[Bound, ...]:
    """What a class binds and what it inherits of ours; a key that is bound anew is its last binding's alone."""
    found: dict[str, Bound] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.startswith("console."):
            for binding in Binding.make_bindings(vars(one).get("BINDINGS", ())):
                found[binding.key] = Bound(binding.id or "", binding.key, binding.action, binding.tooltip)
    return tuple(found.values())


def ids() -> frozenset[str]:
    """Those by which a keymap names a binding."""
    return frozenset(one.id for screen in screens() for one in screen.bindings if one.id)


def _ours(kind: type[Screen[object]]) -> Iterator[type[Screen[object]]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("console."):
            yield child
        yield from _ours(child)


def _held(kind: type[Screen[object]]) -> tuple[Bound, ...]:
    """Of the widget that has the focus there."""
    from console.screens.logs import LogsScreen
    from console.screens.tables import TableScreen
    from console.widgets.log_lines import LogLines
    from console.widgets.rows import Rows

    if issubclass(kind, TableScreen):
        return bound(Rows)
    return bound(LogLines) if issubclass(kind, LogsScreen) else ()
