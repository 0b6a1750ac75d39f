"""What a living engine can be told without a restart, as data: calls on loopback that the agent makes.

    Control.acts    sleep, wake, flush-cache ──► Call, or why there is none
    Control.live    the options that it changes by a call ──► what of them still needs a restart
    live_steps      one wanted value of them to another ──► LiveStep … one call each

What a running process satisfies is `launch_options`: all of its options but what is live.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from engines import registry
from engines.base import Engine, EngineError
from engines.options import options_for


class Act(StrEnum):
    """What an engine may be told to do, in people's words."""

    SLEEP = "sleep"
    WAKE = "wake"
    FLUSH_CACHE = "flush-cache"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A POST. It is done when it is answered with one of `done`, and `says`, where given, is in the JSON object."""

    path: str
    body: bytes = b""
    done: tuple[int, ...] = (200,)
    says: Mapping[str, object] = {}
    timeout_s: float = 120.0

    def done_by(self, status: int, answer: bytes) -> bool:
        return status in self.done and (not self.says or self.says.items() <= _object(answer).items())


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A GET whose JSON object says yes or no in `field`."""

    path: str
    field: str

    def read(self, answer: bytes) -> bool | None:
        """None for what is no such object."""
        found = _object(answer).get(self.field)
        return found if isinstance(found, bool) else None


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Of an engine with certain options. `absent` says of every act that is not in `acts` why."""

    acts: Mapping[Act, Call] = {}
    absent: Mapping[Act, str] = {}
    asleep: Told | None = None
    """Whether it sleeps, for engines that tell."""
    live: Mapping[str, object] = {}
    """Option → what of its value an engine is still started anew for; None is nothing."""


class LiveStep(msgspec.Struct, frozen=True, kw_only=True):
    """One call, and the value that `option` has once it is done."""

    call: Call
    option: str
    value: object


@runtime_checkable
class Controlled(Protocol):
    """An engine with calls of its own. What is given are instances of the adapter's `Options`."""

    def control(self, options: msgspec.Struct) -> Control: ...

    def live_steps(self, old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
        """From one value of the live options to another, in order; what is not live is the same in both."""
        ...


def _object(answer: bytes) -> dict[str, object]:
    """{} for what is none."""
    try:
        return msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def control_of(engine: Engine, options: msgspec.Struct) -> Control:
    """What there is for an engine with these options; of every act either the call or the reason."""
    if isinstance(engine, Controlled):
        return engine.control(options)
    return Control(absent=dict.fromkeys(Act, f"{engine.name} has no call for it that gpuyard knows"))


def why_not(engine_name: str, raw: Mapping[str, Any], act: Act) -> str:
    """Why an engine with these options cannot `act`; "" when it can."""
    if engine_name not in registry.names():
        return f"{engine_name} has no call for it that gpuyard knows"
    try:
        engine = registry.get(engine_name)
        return control_of(engine, options_for(engine, raw)).absent.get(act, "")
    except EngineError as error:
        return error.message


def launch_options(engine_name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `raw` for which an engine starts anew, by its adapter's word."""
    kept = dict(raw)
    try:
        engine = registry.get(engine_name)
        if not engine.live.keys() & raw.keys():  # nearly always
            return kept
        live = control_of(engine, options_for(engine, raw)).live
    except EngineError:  # it is refused elsewhere; until then all of it counts
        return kept
    for name, rest in live.items():
        kept.pop(name, None)
        if rest:
            kept[name] = rest
    return kept


Named = Callable[[str, str], Call]
"""The call for an adapter's name and its path."""


def module_steps(
    option: str, old: msgspec.Struct, new: msgspec.Struct, load: Named, unload: Named
) -> tuple[LiveStep, ...]:
    """From some LoRA adapters, `NAME=PATH` each, to others: first those go that are gone or elsewhere."""
    before: Sequence[str] = getattr(old, option)
    after: Sequence[str] = getattr(new, option)
    now, steps = list(before), list[LiveStep]()
    for module in [one for one in before if one not in after]:
        now.remove(module)
        steps.append(LiveStep(call=_named(unload, module), option=option, value=tuple(now)))
    for module in [one for one in after if one not in before]:
        now.append(module)
        steps.append(LiveStep(call=_named(load, module), option=option, value=tuple(now)))
    return tuple(steps)


def _named(call: Named, module: str) -> Call:
    name, _, path = module.partition("=")
    return call(name, path)
