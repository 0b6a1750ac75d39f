"""Asks and answers about the environments that engines run from."""

from agents.wire.base import Answer, Ask, Change
from profiles.observed.runtime import RuntimeReading
from profiles.observed.status import Reason


class ListRuntimes(Ask, frozen=True, kw_only=True):
    """All of the node, with the version that each says."""


class CheckRuntimes(Ask, frozen=True, kw_only=True):
    """Those named, or all, asked anew; what can be imported is. It takes as long as the imports do."""

    names: tuple[str, ...] = ()


class AddRuntime(Change, frozen=True, kw_only=True):
    """Make an environment of `requirement`, `vllm==0.32.0`, from the node's index or a directory of wheels there."""

    requirement: str
    wheels: str = ""


class ReadMaking(Ask, frozen=True, kw_only=True):
    """How far a new runtime is, as soon as it has printed more than `known` lines, at the latest after `wait_s`."""

    name: str
    known: int = 0
    wait_s: float = 0.0


class StopMaking(Change, frozen=True, kw_only=True):
    """End it; nothing of it stays."""

    name: str


class RemoveRuntime(Change, frozen=True, kw_only=True):
    """Take an environment that gpuyard made off the disk. Refused while an instance needs it."""

    name: str


class Runtimes(Answer, frozen=True, kw_only=True):
    """By name. `problem` is that of agent.toml, of which nothing is then believed."""

    runtimes: tuple[RuntimeReading, ...]
    problem: Reason | None = None


class RuntimeMaking(Answer, frozen=True, kw_only=True):
    """It goes on without whoever asked for it. `name` is that of the runtime that it becomes."""

    name: str


class MakingReport(Answer, frozen=True, kw_only=True):
    """`lines` begin after those that were known, `known` counts them in; `over` with a `problem` left nothing."""

    step: str
    lines: tuple[str, ...] = ()
    known: int = 0
    over: bool = False
    problem: Reason | None = None


class MakingStopped(Answer, frozen=True, kw_only=True):
    """Nothing of it is left."""


class RuntimeRemoved(Answer, frozen=True, kw_only=True):
    """Its directory is gone."""


RuntimeAsk = ListRuntimes | CheckRuntimes | AddRuntime | ReadMaking | StopMaking | RemoveRuntime
RuntimeAnswer = Runtimes | RuntimeMaking | MakingReport | MakingStopped | RuntimeRemoved
