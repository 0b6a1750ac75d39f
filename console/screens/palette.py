"""ctrl-p: everything that a line or a key of the screen on top could do, found by any of its letters."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from console.keys.words import PAGES, Takes, names
from console.screens.base import YardScreen
from console.screens.commanding import Commanded, vocabulary


class Offer(NamedTuple):
    text: str
    what: str
    does: IgnoreReturnCallbackType


class Palette(Provider):
    async def discover(self) -> Hits:
        for one in (*self._keys(), *self._lines()):
            yield DiscoveryHit(one.text, one.does, help=one.what)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for one in (*self._keys(), *self._lines(), *self._pages()):
            if (score := matcher.match(one.text)) > 0:
                yield Hit(score, matcher.highlight(one.text), one.does, help=one.what)

    def _keys(self) -> Iterator[Offer]:
        """What its bottom line offers, unless it does nothing now."""
        screen = self.screen
        seen: set[str | None] = set()
        for found in screen.active_bindings.values():
            binding = found.binding
            refused = isinstance(screen, YardScreen) and screen.why_not(binding.action)
            if binding.id in seen or not (binding.show and binding.tooltip and found.enabled) or refused:
                continue
            seen.add(binding.id)
            text = f"{binding.description.lower()}  ({screen.app.get_key_display(binding)})"
            yield Offer(text, binding.tooltip, partial(screen.app.run_action, binding.action, found.node))

    def _lines(self) -> Iterator[Offer]:
        """Words that stand for themselves."""
        app = _commanded(self.app)
        for word in vocabulary(app.session).words:
            if word.takes in (Takes.NOTHING, Takes.FILTER):
                yield Offer(word.word, word.text, partial(app.run_line, word.word))

    def _pages(self) -> Iterator[Offer]:
        """Each thing that has a page, by its name. GPUs and processes are too many to be looked through."""
        app = _commanded(self.app)
        known = vocabulary(app.session)
        for word in PAGES:
            if word.takes not in (Takes.GPU, Takes.PROCESS):
                for name in names(app.session.store, known, word.takes):
                    line = f"{word.word} {name}"
                    yield Offer(line, word.text, partial(app.run_line, line))


def _commanded(app: App[object]) -> Commanded:
    assert isinstance(app, Commanded)
    return app
