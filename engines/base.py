"""The seam between gpuyard and an engine: plain data in, plain data out.

    Launch ──► Engine.command ──► Command   what to execute
           └─► Engine.ready ────► Probe     where to ask whether it serves
    /metrics text ─► Engine.sample ─► EngineSample
    one log line ──► Progress.progress ─► LoadProgress   (optional; more of the kind in engines.abilities)

An adapter is one file in `engines/adapters` that ends in `ENGINE = …`. It is pure: the agent
executes, asks and scrapes.

Errors:
    EngineError
    ├── UnknownEngine      no adapter of that name
    └── BadOptions         options that the adapter's `Options` refuses
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from engines.devices import Slice

LOOPBACK = "127.0.0.1"


class EngineError(Exception):
    """Something about an engine cannot be described. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UnknownEngine(EngineError):
    """No adapter has this name."""


class BadOptions(EngineError):
    """The options do not fit the adapter. `key` is the offending key, or "" for the whole mapping."""

    def __init__(self, message: str, hint: str = "", key: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an adapter may use to build a command line.

    `options` is an instance of the adapter's `Options`. No secret is ever in here: secrets reach the
    engine as environment variables that the agent adds.
    """

    instance: str
    model: str
    served_name: str
    port: int
    options: msgspec.Struct
    targets_s: Mapping[str, tuple[float, ...]] = {}
    """Latency targets by field of EngineSample: `ttft`, `itl`, `e2e`."""
    directory: str = "."
    """Where `Command.files` will be."""
    host: str = LOOPBACK
    slices: tuple[Slice, ...] = ()
    version: str = ""
    """Of the engine, as its runtime says (engines.versions); "" is unknown, and taken for the newest."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent executes. `env` is added to a small clean environment, never to the agent's own.

    `needs_files` are local paths that must exist; a missing one fails the start before anything runs. `files` are
    written anew for each start, name in `Launch.directory` → text, for engines that read settings from one.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    needs_files: tuple[str, ...] = ()
    files: Mapping[str, str] = {}


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask. `ready_path` answers 200 once the engine serves; `load_deadline_s` is how long that may take.

    `detail_path` is read after each page of metrics, for what they do not tell (engines.abilities.Details).
    """

    ready_path: str
    metrics_path: str | None
    load_deadline_s: float
    detail_path: str | None = None
    timeout_s: float = 5.0


class Histogram(msgspec.Struct, frozen=True, array_like=True):
    """Cumulative buckets as Prometheus counts them: `counts[i]` observations were ≤ `bounds_s[i]`.

    The last bound is +Inf and is left out of `bounds_s`, so `len(counts) == len(bounds_s) + 1`.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[float, ...]
    sum_s: float

    @property
    def count(self) -> float:
        return self.counts[-1] if self.counts else 0.0


class EngineSample(msgspec.Struct, frozen=True, kw_only=True):
    """One scrape in our words. None where the engine does not say; counters count since its start."""

    running: float | None = None
    waiting: float | None = None
    kv_usage_ratio: float | None = None
    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    prompt_tokens_in_flight: float | None = None
    generation_tokens_in_flight: float | None = None
    """Of requests that the counters do not count yet, where those move only when a request ends."""
    iterations: float | None = None
    """Steps of the scheduler."""
    requests_finished: float | None = None
    requests_failed: float | None = None
    finish_reasons: Mapping[str, float] | None = None
    """Requests by why they ended, in the engine's words: `stop`, `length`, `abort` …"""
    preemptions: float | None = None
    prefix_cache_queries: float | None = None
    prefix_cache_hits: float | None = None
    ttft: Histogram | None = None
    itl: Histogram | None = None
    e2e: Histogram | None = None
    queue: Histogram | None = None


class LoadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a start has come: a step in the engine's words, and 0–1 where the engine says.

    The agent adds the time since the start, and how long it may take in all by what the last one took.
    """

    step: str
    ratio: float | None = None
    elapsed_s: float | None = None
    expected_s: float | None = None


class Engine(Protocol):
    """What every adapter has."""

    name: ClassVar[str]
    Options: ClassVar[type[msgspec.Struct]]
    absent: ClassVar[Mapping[str, str]]
    """Field of EngineSample → why this engine never reports it; shown as `n/a`."""
    live: ClassVar[Mapping[str, str]]
    """Option → the engine's own call that can change it without a restart; with which other options it does, says
    engines.control. Every other one needs a restart."""

    def command(self, launch: Launch) -> Command: ...

    def ready(self, launch: Launch) -> Probe: ...

    def sample(self, metrics: str) -> EngineSample:
        """Read a metrics page. Never raises: text that is empty, cut off or foreign gives what is in it."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Optional: an adapter that can read the engine's log lines while it loads."""

    def progress(self, line: str) -> LoadProgress | None: ...


@runtime_checkable
class Guarded(Protocol):
    """Optional: options by which an engine would run other code or be reached from the network; an admin's alone."""

    guarded: ClassVar[frozenset[str]]


def guarded_options(engine: Engine) -> frozenset[str]:
    """`program` is one whatever the adapter says."""
    return frozenset({"program"}) | (engine.guarded if isinstance(engine, Guarded) else frozenset())
