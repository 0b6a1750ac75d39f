"""An apply in waves at the command line: told as it goes, paused by ctrl-c, gone on with from anywhere."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager

from console.cli.output import Exit, is_interactive, say, say_reason
from console.cli.plans import settling_line
from console.cli.rolling_bars import Bars
from console.cli.session import Reached
from console.render.rollout import began_text, failed_text, over_text
from console.rollout import journal as journals
from console.rollout.rolling import Rolling
from console.rollout.start import journal_of
from console.rollout.told import PAUSED_BY_HAND, Began, Failed, Outcome, Over, Soaking, Told
from console.settling import Settling
from profiles.plans.plan import Plan
from profiles.revisions.applyjournal import ApplyJournal, ApplyState

_CODES = {Outcome.DONE: Exit.DONE, Outcome.ROLLED_BACK: Exit.ROLLED_BACK, Outcome.PAUSED: Exit.PARTLY}
_QUESTION = "[g]o on, roll [b]ack, or leave it [p]aused? "


async def roll_out(found: Reached, plan: Plan, reason: str, tokens: Mapping[str, int]) -> Exit:
    """The exit code. Nothing is changed where one of the nodes does not begin."""
    wanted = journal_of(plan, reason, found.store)
    journal, refused = await journals.begin(found.fleet, wanted, tokens)
    if refused:
        await journals.note(found.fleet, wanted, wanted.nodes, tokens, ApplyState.ROLLED_BACK)
        for one in refused:
            if one.reason:
                say_reason(one.reason, one.node)
        say("nothing was changed")
        return max(Exit.UNREACHABLE if one.unreachable else Exit.FAILED for one in refused)
    return await follow(found, Rolling(found.fleet, found.store, found.operations, journal, tokens))


async def follow(found: Reached, rolling: Rolling, *, back: bool = False) -> Exit:
    """Until it is over, or is left paused."""
    with _ctrl_c() as pressed:
        while True:
            over = await _told(found, rolling.back() if back else rolling.forward(), rolling, pressed)
            if over.outcome is not Outcome.PAUSED:
                return _CODES[over.outcome]
            by_hand = over.why is PAUSED_BY_HAND
            answer = await _answer(pressed) if is_interactive() else "p"
            if answer not in ("g", "b"):
                _say_left(rolling.journal)
                return Exit.INTERRUPTED if by_hand else Exit.PARTLY
            back = answer == "b" or over.back


async def _told(found: Reached, told: AsyncIterator[Told], rolling: Rolling, pressed: "_Pressed") -> Over:
    pressed.act = rolling.pause
    over, lines = Over(outcome=Outcome.PAUSED), _Lines()
    async with Bars(found.store.clock, found.operations) as bars:
        async for one in told:
            bars.take(one)
            if not bars.live:
                lines.say(one)
            if isinstance(one, Over):
                over = one
    pressed.act = None
    return over


class _Lines:
    """What is told, a line a change, where no bars can be drawn."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], str] = {}

    def say(self, told: Told) -> None:
        match told:
            case Began():
                self._said.clear()
                say(began_text(told))
            case Settling():
                key, line = (told.step.node, told.step.instance), settling_line(told, timed=False)
                if self._said.get(key) != line:
                    self._said[key] = line
                    say(settling_line(told))
            case Soaking(seconds=seconds):
                say(f"all ready, has to stay so for {seconds:g} s")
            case Failed():
                say(failed_text(told))
            case Over():
                say(over_text(told))


def _say_left(journal: ApplyJournal) -> None:
    say(f"left paused: `gpuyard apply --resume {journal.id}` goes on from any console, with --rollback it goes back")


class _Pressed:
    """What ctrl-c does now; `event` is set by one that nobody takes."""

    def __init__(self) -> None:
        self.act: Callable[[], None] | None = None
        self.event = asyncio.Event()


@contextmanager
def _ctrl_c() -> Iterator[_Pressed]:
    loop = asyncio.get_running_loop()
    pressed = _Pressed()

    def on_signal() -> None:
        if pressed.act is not None:
            pressed.act()
        else:
            pressed.event.set()

    loop.add_signal_handler(signal.SIGINT, on_signal)
    try:
        yield pressed
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _answer(pressed: _Pressed) -> str:
    """The first letter of a line, while the links live on; another ctrl-c leaves it paused."""
    loop = asyncio.get_running_loop()
    line = asyncio.Event()
    print(f"gpuyard: {_QUESTION}", end="", file=sys.stderr, flush=True)
    loop.add_reader(sys.stdin, line.set)
    waits = [asyncio.ensure_future(event.wait()) for event in (line, pressed.event)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return sys.stdin.readline().strip().lower()[:1] if line.is_set() else "p"
    finally:
        for wait in waits:
            wait.cancel()
        loop.remove_reader(sys.stdin)
