"""`:ctx`: which contexts there are, and the way to another.

A context is a session of its own: this console ends, and one is opened anew on the other inventory.
"""

from collections.abc import Callable, Mapping, Sequence

from textual.app import App

from console import contexts
from console.contexts import Context, Opened
from console.naming import NotNamed
from console.render.fit import Line
from console.render.table import Tone
from console.screens.dialog import Dialog
from console.screens.prompt import Step
from console.screens.session import Session
from profiles.text.document import FileError

KEYS = "123456789"


def step(session: Session, words: Sequence[str], leave: Callable[[Opened], None]) -> Step:
    """To the context that is named, by `leave`; a choice where none is. Raises NotNamed."""
    if session.replay:
        raise NotNamed("replay", "a replay has no nodes", "leave it with q first")
    if len(words) > 1:
        raise NotNamed("usage", "it is written ctx [CONTEXT]")
    try:
        if not words:
            return _choice(session.context, contexts.load(contexts.usual()), leave)
        found = contexts.opened(words[0], contexts.usual())
    except FileError as error:
        raise NotNamed("no_context", str(error), error.hint) from None
    return lambda app: leave(found)


def _choice(here: Context | None, known: Mapping[str, Context], leave: Callable[[Opened], None]) -> Step:
    if not known:
        raise NotNamed("no_contexts", f"{contexts.usual()} names none", "docs/inventory.md shows one")
    keys = dict(zip(KEYS, known.values(), strict=False))
    lines: list[Line] = [((f"Now: {here.name if here else 'an inventory of no context'}.", Tone.PLAIN),)]
    if more := len(known) - len(keys):
        lines.append(((f"{more} more by `:ctx NAME`.", Tone.DIM),))
    choices = [(key, f"{one.name}  read-only" if one.read_only else one.name) for key, one in keys.items()]

    def ask(app: App[None]) -> None:
        def chosen(key: str | None) -> None:
            if not key:
                return
            try:
                leave(contexts.opened(keys[key].name, contexts.usual()))
            except FileError as error:
                app.notify(f"{error} {error.hint}".strip(), severity="error", markup=False)

        dimmed = {key: "you are here" for key, one in keys.items() if one == here}
        app.push_screen(Dialog(lines, choices, safe="stay", dimmed=dimmed), chosen)

    return ask
