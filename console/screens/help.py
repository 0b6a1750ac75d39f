"""Help, made from the bindings: it cannot say what the keys do not do."""

from collections.abc import Iterable

from textual.screen import Screen
from textual.widget import Widget

from console.render.fit import Line
from console.render.table import Tone
from console.screens.base import YardScreen
from console.screens.session import Session
from console.widgets.lines import Lines

WORDS = (
    ("× ? ! ~", "lost or failed, stalled, sick, stale: before the word, for who sees no colours"),
    ("DOWN UNSEEN", "wanted and nobody serves; nobody is seen to serve, for its nodes do not answer"),
    ("(x actions)", "a key that does nothing now: press it to hear why"),
    ("–", "unknown now"),
    ("n/a", "can never be known here; an instance's page says why"),
    ("dim", "old, idle, or an explanation"),
    ("▒", "a process on a GPU that gpuyard did not start"),
    ("212 ms c", "by the canary alone: the engine keeps no latencies"),
    ("2.5–5 s", "somewhere between: an engine counts latencies in buckets"),
)


class HelpScreen(YardScreen):
    crumb = "help"

    def __init__(self, session: Session, of: Screen[object]) -> None:
        super().__init__(session)
        self._lines: list[Line] = [(), ((f" Keys of {getattr(of, 'crumb', 'this screen')}", Tone.PLAIN),), ()]
        seen: dict[str, tuple[list[str], str, str]] = {}
        for found in of.active_bindings.values():
            tip = found.tooltip or found.binding.tooltip
            if tip and found.binding.id:
                why_not = of.why_not(found.binding.action) if isinstance(of, YardScreen) else ""
                keys = seen.setdefault(found.binding.id, ([], tip, why_not))[0]
                keys.append(found.binding.key_display or of.app.get_key_display(found.binding))
        for keys, tip, why_not in seen.values():
            names = f" {' '.join(dict.fromkeys(keys)):<22}"
            self._lines.append(((names, Tone.DIM if why_not else Tone.KEY), (tip, Tone.DIM if why_not else Tone.PLAIN)))
            if why_not:
                self._lines.append(((f" {'':<22}not now: {why_not}", Tone.DIM),))
        self._lines += [(), ((" Signs", Tone.PLAIN),), ()]
        self._lines += [((f" {sign:<22}", Tone.PLAIN), (text, Tone.DIM)) for sign, text in WORDS]

    def body(self) -> Iterable[Widget]:
        yield Lines(id="detail")

    def fill(self) -> None:
        lines = self.query_one("#detail", Lines)
        lines.can_focus = True
        lines.show(self._lines)
        lines.focus()
