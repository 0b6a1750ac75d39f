"""An apply in waves as lines: a bar for each instance of the wave in hand, and what is over."""

from collections.abc import Iterator

from msgspec.structs import replace

from console.render.fit import Line
from console.render.load import load_text
from console.render.table import Tone
from console.render.text import age, one_line, plural
from console.rollout.course import Course
from console.rollout.told import Began, Failed, Outcome, Over
from console.settling import Settling
from profiles.observed.status import Phase

BAR_CELLS = 20
_TONES = {Outcome.DONE: Tone.GOOD, Outcome.ROLLED_BACK: Tone.WARN, Outcome.PAUSED: Tone.BAD}


def course_lines(course: Course, last_line: str = "") -> Iterator[Line]:
    """`last_line` is of the log of what is in hand."""
    for began, seconds in course.past:
        yield ((f" {_wave(began)}  {_names(began)}", Tone.DIM), (f"  {age(seconds)}", Tone.DIM))
    if course.began is not None:
        left = course.soak_left_s
        soaks = "" if left is None else f"  all ready, has to stay so for {age(left)} more"
        yield ((f" {_wave(course.began)}  {age(course.wave_s)}{soaks}", Tone.PLAIN),)
        width = max(len(f"{node} {name}") for node, name in course.steps)
        for (node, name), now in course.steps.items():
            yield _bar_line(f"{node} {name}".ljust(width), now, course.ratios.get((node, name), 0.0))
        if last_line:
            yield ((f"   │ {one_line(last_line)}", Tone.DIM),)
    for failed in course.failed:
        yield ((f" {failed_text(failed)}", Tone.BAD),)
    if course.over is not None:
        yield ((f" {over_text(course.over)}", _TONES[course.over.outcome]),)


def began_text(began: Began) -> str:
    return f"{_wave(began)}: {_names(began)}"


def failed_text(failed: Failed) -> str:
    where = " ".join(word for word in (failed.node, failed.instance) if word)
    hint = f" — {failed.reason.hint}" if failed.reason.hint else ""
    return one_line(f"{where}: {failed.reason.text}{hint}")


def over_text(over: Over) -> str:
    why = f": {over.why.text}" if over.why else ""
    back = ", on its way back" if over.back else ""
    return one_line(f"{over.outcome}{back}{why}")


def _wave(began: Began) -> str:
    return f"{'rolling back, ' if began.back else ''}wave {began.number} of {began.of}"


def _names(began: Began) -> str:
    names = [f"{step.action} {step.instance} on {step.node}" for step in began.steps]
    more = f", {plural(len(names) - 3, 'more instance')}" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _bar_line(where: str, now: Settling, ratio: float) -> Line:
    full = round(ratio * BAR_CELLS)
    tone = Tone.GOOD if now.ok else Tone.BAD if now.ok is False else Tone.PLAIN
    return (
        (f"   {where}  ", Tone.PLAIN), ("█" * full + "░" * (BAR_CELLS - full), tone),
        (f"  {_phase(now)}", Tone.PLAIN),
    )  # fmt: skip


def _phase(now: Settling) -> str:
    """`loading 21s of about 52s  weights 40%`; what the last load of that model took is what is expected."""
    if now.status is None:
        return "is gone" if now.ok else str(now.step.action)
    status, load = now.status, now.status.load
    if load is None or status.phase is not Phase.LOADING:
        return str(status.phase)
    words = [str(status.phase)]
    if load.elapsed_s is not None:
        words.append(age(load.elapsed_s))
    if load.expected_s is not None:
        words.append(f"of about {age(load.expected_s)}")
    return f"{' '.join(words)}  {load_text(replace(load, expected_s=None))}"
