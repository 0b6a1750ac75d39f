"""How far each of many hosts is, on stderr: bars that are drawn over on a terminal, else one line for what is over."""

import shutil
import sys
from collections.abc import Sequence
from types import TracebackType

from console.cli.output import say
from console.render.text import one_line

_BAR_CELLS = 20
_ROWS_AT_MOST = 12


class Progress:
    """A context: the bars go away at its end, the table that follows says the rest."""

    def __init__(self, names: Sequence[str], steps: Sequence[str]) -> None:
        self._steps = steps
        self._done = dict.fromkeys(names, (0.0, "waits"))
        self._over: set[str] = set()
        self._drawn = 0
        self._live = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    def tell(self, name: str, step: str, part: float) -> None:
        """`part` of the step is done, 0 to 1."""
        self._done[name] = ((self._steps.index(step) + part) / len(self._steps), step)
        self._draw()

    def over(self, name: str, outcome: str) -> None:
        self._done[name] = (1.0, outcome)
        self._over.add(name)
        if self._live:
            self._draw()
        else:
            say(f"{name}: {outcome} ({len(self._over)} of {len(self._done)})")

    def _draw(self) -> None:
        if not self._live:
            return
        self._erase()
        width = max(len(name) for name in self._done)
        columns = shutil.get_terminal_size().columns
        rows = [(name, *at) for name, at in self._done.items() if name not in self._over][:_ROWS_AT_MOST]
        lines = [f"{name.ljust(width)}  {_bar(ratio)}  {word}" for name, ratio, word in rows]
        lines.append(f"{len(self._over)} of {len(self._done)} hosts")
        sys.stderr.write("".join(one_line(line)[: columns - 1] + "\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J")
            sys.stderr.flush()
            self._drawn = 0


def _bar(ratio: float) -> str:
    full = round(ratio * _BAR_CELLS)
    return "█" * full + "░" * (_BAR_CELLS - full)
