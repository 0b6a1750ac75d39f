"""The runtimes of a node, and the one that an instance is started from.

    agent.toml ─────────────────┐                  spec ─► use ─► Used    its program, prefix, version
    runtimes/NAME/runtime.json ─┴─► known, by name ─► look ─► RuntimeReading …

A directory below `runtimes/` is a runtime once its runtime.json is there, which is written last.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents import state
from agents.errors import AgentError
from agents.runtimes.asking import Asker, CannotTell, Missing, program
from agents.runtimes.settings import BadSettings, Settings, package_of, read
from agents.trusted import file_mark
from engines.abilities import Package
from engines.versions import remark
from profiles.desired.model import InstanceSpec
from profiles.observed.runtime import Runtime, RuntimeReading
from profiles.observed.status import Reason

RECORD = "runtime.json"


class CannotUse(AgentError):
    """The instance has no runtime to start from. `code` is of agents.instances.reasons."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance is started from. `version` "" is unknown."""

    name: str
    program: str
    prefix: tuple[str, ...] = ()
    venv: str | None = None
    version: str = ""


class Runtimes:
    """`settings` is agent.toml; `made` holds the environments that gpuyard made; `troubled` hears what is wrong."""

    def __init__(
        self,
        settings: Path,
        made: Path,
        troubled: Callable[[Reason | None], None] = lambda reason: None,
        asker: Asker | None = None,
    ) -> None:
        self.made = made
        self._path = settings
        self._troubled = troubled
        self.asker = asker or Asker()
        self._seen: object = ()
        self._settings = Settings()
        self._bad: BadSettings | None = None
        self.refresh()

    @property
    def problem(self) -> Reason | None:
        """Why nothing of agent.toml is believed; None where all is well."""
        return Reason("settings", self._bad.message, self._bad.hint) if self._bad else None

    @property
    def bind(self) -> str:
        """Where gateways may listen for other machines; "" for nowhere."""
        self.refresh()
        return self._settings.bind

    @property
    def metrics(self) -> str:
        """Where the page of metrics is served, HOST:PORT on loopback; "" for nowhere."""
        self.refresh()
        return self._settings.metrics

    def refresh(self) -> None:
        """Read agent.toml again if it is another one than before."""
        mark = file_mark(self._path)
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._settings, self._bad = read(self._path), None
        except BadSettings as error:
            self._settings, self._bad = Settings(), error
        self._troubled(self.problem)

    def known(self) -> dict[str, Runtime]:
        """By name; of two with one name that of agent.toml counts."""
        self.refresh()
        return self._made() | self._settings.runtimes

    def is_made(self, name: str) -> bool:
        """Whether gpuyard made what this name stands for."""
        return name not in self._settings.runtimes and name in self._made()

    def chosen(self, spec: InstanceSpec) -> str:
        """The name of the one that `spec` is started from; "" for a program on the PATH, or none that fits."""
        if "program" in spec.options:
            return ""
        fitting = [name for name, one in self.known().items() if one.engine == spec.engine]
        return spec.runtime or (fitting[0] if len(fitting) == 1 else "")

    async def look(self, names: tuple[str, ...] = (), *, thorough: bool = False) -> list[RuntimeReading]:
        """Of all, or of `names`; `thorough` imports them. Unknown names are left out."""
        known = self.known()
        chosen = [name for name in sorted(known) if not names or name in names]
        return list(await asyncio.gather(*(self._read(name, known[name], thorough) for name in chosen)))

    async def use(self, spec: InstanceSpec) -> Used | None:
        """The runtime of `spec`, else the only one of its engine; None for a program on the PATH. Raises CannotUse."""
        known, given = self.known(), "program" in spec.options
        if spec.runtime and given:
            raise CannotUse("bad_options", "`runtime` and option `program` exclude each other", "leave one out")
        if given:
            return None
        if self._bad and spec.runtime not in known:
            raise CannotUse("runtime_missing", self._bad.message, self._bad.hint)
        fitting = sorted(name for name, one in known.items() if one.engine == spec.engine)
        if spec.runtime and spec.runtime not in fitting:
            hint = f"runtimes of {spec.engine} here: {', '.join(fitting) or 'none'}"
            raise CannotUse("runtime_missing", f"this node has no runtime {spec.runtime} of {spec.engine}", hint)
        if not spec.runtime and len(fitting) != 1:
            return None
        name = spec.runtime or fitting[0]
        return await self._used(name, known[name])

    async def _used(self, name: str, runtime: Runtime) -> Used:
        package = _package(runtime)
        try:
            first = program(runtime, package)
        except Missing as error:
            raise CannotUse("runtime_broken", f"runtime {name}: {error.message}", error.hint) from None
        try:
            version = await self.asker.version(runtime, package)
        except CannotTell:
            version = ""  # its start will tell better what is wrong with it
        start = package.program if runtime.prefix else first
        return Used(name=name, program=start, prefix=runtime.prefix, venv=runtime.venv, version=version)

    async def _read(self, name: str, runtime: Runtime, thorough: bool) -> RuntimeReading:
        package = _package(runtime)
        reading = RuntimeReading(
            name=name, engine=runtime.engine, kind=runtime.kind(), where=runtime.where(), made=self.is_made(name)
        )
        ask = self.asker.check if thorough else self.asker.version
        try:
            version = await ask(runtime, package)
        except CannotTell as error:
            code = "missing" if isinstance(error, Missing) else "broken"
            return msgspec.structs.replace(reading, problem=Reason(code, error.message, error.hint))
        return msgspec.structs.replace(reading, version=version, remark=remark(version, package.checked))

    def _made(self) -> dict[str, Runtime]:
        found = {path.parent.name: state.load(path, Runtime) for path in self.made.glob(f"*/{RECORD}")}
        return {name: one for name, one in found.items() if isinstance(one, Runtime)}


def _package(runtime: Runtime) -> Package:
    """Of a runtime that is known, and so of an engine that has some."""
    package = package_of(runtime.engine)
    assert package is not None
    return package
