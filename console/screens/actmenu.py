"""The choices of `x` on instances: what can be done with all of them, and why the rest cannot."""

from collections.abc import Mapping, Sequence

import msgspec

from console.controlling import asleep, why_not
from console.owned import profile_of
from console.render.consequence import DOWN
from console.store import Key, Store
from engines.control import Act
from profiles.plans.verb_plan import Verb

DOWN_ALL = "down all"
"""DOWN of the whole profile."""

_VERBS = {"1": Verb.START, "2": Verb.STOP, "3": Verb.RESTART, "4": Verb.DRAIN}
_DOWN, _DOWN_ALL, _SLEEP, _FLUSH = "5", "6", "7", "8"


class Menu(msgspec.Struct, frozen=True):
    """`choices` are a key and what it says, `does` is a verb, an act, DOWN or DOWN_ALL; `dimmed` says why not."""

    choices: Sequence[tuple[str, str]]
    does: Mapping[str, Verb | Act | str]
    dimmed: Mapping[str, str]


def menu(store: Store, targets: Sequence[Key]) -> Menu:
    it = "it" if len(targets) == 1 else "them"
    turn = Verb.WAKE if all(asleep(store, key) for key in targets) else Verb.SLEEP
    choices = [(sign, str(verb)) for sign, verb in _VERBS.items()]
    choices += [
        (_DOWN, f"take {it} down: stop {it} and forget {it}"),
        (_DOWN_ALL, f"take down all of {profile_of(store, targets[0])}"),
        (_SLEEP, f"{turn}"),
        (_FLUSH, f"flush {'its cache' if it == 'it' else 'their caches'}"),
    ]
    acts = {_SLEEP: Act(turn), _FLUSH: Act.FLUSH_CACHE}
    reasons = {
        sign: next(filter(None, (why_not(store, key, act) for key in targets)), "") for sign, act in acts.items()
    }
    does = {**_VERBS, _DOWN: DOWN, _DOWN_ALL: DOWN_ALL, _SLEEP: turn, _FLUSH: Act.FLUSH_CACHE}
    return Menu(choices, does, {sign: why for sign, why in reasons.items() if why})
