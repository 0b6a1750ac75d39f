"""What an adapter may offer beyond its six members: data on which the agent acts. Each one is optional.

Stops ──► SignalStep …   how to end the engine
Lives ──► Liveness       how to see that it makes progress
Details ► EngineSample   what a second page adds to its metrics
Fits  ──► an option      how to hold it to its part of a GPU's memory
Packaged ► Package       how it is installed, and asked for its version
Controlled ► Control     what it can be told without a restart (engines.control)
Reads ──► Words          how its command line is read back (engines.reading)
Measures ► MemoryWords   where it says what memory it took, and what decides that
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from engines.base import EngineSample, Launch
from engines.devices import Slice
from engines.measured import MemoryWords


class SignalStep(msgspec.Struct, frozen=True):
    """One signal to the main process alone, and how long the engine may take to end after it."""

    signal: str
    wait_s: float


@runtime_checkable
class Stops(Protocol):
    """After the last step the whole tree is killed."""

    def stop(self, launch: Launch) -> tuple[SignalStep, ...]: ...


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A POST that makes the engine produce one token."""

    path: str
    body: bytes
    timeout_s: float = 20.0


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """`one_token` is asked of an engine that looks idle, because a frozen one looks idle too."""

    one_token: Completion | None = None


@runtime_checkable
class Keyed(Protocol):
    """Takes the key that its clients need from this environment variable; the agent shows it too."""

    key_variable: ClassVar[str]


@runtime_checkable
class Renames(Protocol):
    """Serves its model by `Launch.served_name`, whatever the model is called; by which option of its own."""

    served_name_option: ClassVar[str]


@runtime_checkable
class Details(Protocol):
    """For an engine whose metrics leave out what is in flight; goes with `Probe.detail_path`."""

    def detailed(self, sample: EngineSample, page: str) -> EngineSample:
        """`sample` and what the second page adds. Never raises: a page that is cut off or foreign adds nothing."""
        ...


@runtime_checkable
class Lives(Protocol):
    def liveness(self, launch: Launch) -> Liveness: ...


@runtime_checkable
class Fits(Protocol):
    """An engine that can be told how much of a GPU's memory it may take."""

    memory_options: ClassVar[tuple[str, ...]]
    """The first of its `Options` says so; the others would overrule it. Nobody sets one beside a request for memory."""

    def fit(self, slices: Sequence[Slice], free_mib: Mapping[str, int]) -> float:
        """The value of the first for `slices`, each a part of a GPU by memory; 0 or less where nothing is left.

        `free_mib` is what is free now by the GPU's UUID; without it the value is only good for checking.
        """
        ...


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is installed, and how what is installed is asked for its version."""

    program: str
    """What starts it, in the `bin` of an environment or on a PATH; `program --version` prints its version."""
    distribution: str = ""
    """What it is called on a Python index; "" where no wheel of it serves."""
    module: str = ""
    """Whose import shows that an environment is whole."""
    checked: tuple[str, str]
    """The oldest and the newest version that the adapter's flags were checked against."""
    installed_mib: int = 0
    """What an environment takes, with all that it needs."""
    prints: str = r"(?m)^(?:\S+ )?(?:version:? )?v?(\d+(?:\.\d+)+\S*)$"
    """Finds the version, as group 1, in what `--version` prints."""


@runtime_checkable
class Packaged(Protocol):
    """An engine that may have several runtimes on a node."""

    package: ClassVar[Package]


@runtime_checkable
class Measures(Protocol):
    """An engine that says in its log what memory it took."""

    memory_words: ClassVar[MemoryWords]


def one_token(launch: Launch) -> Completion:
    """What every server with OpenAI's routes understands."""
    ask = {"model": launch.served_name, "prompt": "1", "max_tokens": 1}
    return Completion(path="/v1/completions", body=msgspec.json.encode(ask))
