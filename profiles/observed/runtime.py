"""Where an engine runs from: an environment of its own, never gpuyard's. A node has several, each with a name.

agent.toml [runtimes.NAME] ─┐
runtime add ENGINE==VERSION ┴─► Runtime ──asked──► RuntimeReading   its version, or what is wrong with it
"""

import re
from pathlib import PurePath

import msgspec

from profiles.observed.status import Reason

NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
CONTAINERS = frozenset({"docker", "podman", "nerdctl", "apptainer", "singularity", "enroot", "ctr", "crictl"})
_REQUIREMENT = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9]+(?:\.[0-9]+)*[a-z0-9.+]*)")


class Runtime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[runtimes.NAME]` of a node's agent.toml: an engine, and exactly one of where it is."""

    engine: str
    venv: str | None = None
    """A virtual environment's directory."""
    binary: str | None = None
    """The engine's own program."""
    prefix: tuple[str, ...] = ()
    """Words before the engine's own command line; they must end in executing it, in their own place."""

    def where(self) -> str:
        return self.venv or self.binary or " ".join(self.prefix)

    def kind(self) -> str:
        return "venv" if self.venv else "binary" if self.binary else "prefix"

    def problem(self) -> tuple[str, str]:
        """What cannot be, and what to do; ("", "") where all is well."""
        if sum(map(bool, (self.venv, self.binary, self.prefix))) != 1:
            return "a runtime is one of `venv`, `binary` and `prefix`", "give exactly one of them"
        first = self.venv or self.binary or self.prefix[0]
        if PurePath(first).name in CONTAINERS:
            return (
                "engines in containers are not supported for now",
                "give a `venv`, or the program itself as a `binary`",
            )
        if not PurePath(first).is_absolute():
            return f"{first} is no absolute path", "write it from / on"
        return "", ""


class RuntimeReading(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime as its node found it. `version` None is unknown; `made` are gpuyard's own environments."""

    name: str
    engine: str
    kind: str
    where: str
    version: str | None = None
    remark: str = ""
    """Of a version outside the range that the adapter was checked against; it is used all the same."""
    problem: Reason | None = None
    made: bool = False


class Requirement(msgspec.Struct, frozen=True):
    """`vllm==0.32.0`: what `runtime add` makes an environment of."""

    distribution: str
    version: str

    @property
    def name(self) -> str:
        """Of the runtime that it becomes."""
        return f"{self.distribution}-{self.version}"

    def __str__(self) -> str:
        return f"{self.distribution}=={self.version}"


def requirement(text: str) -> Requirement | None:
    """None for all but `NAME==VERSION`: no ranges, no addresses, no options of an installer."""
    found = _REQUIREMENT.fullmatch(text.strip().lower().replace("_", "-"))
    return Requirement(found[1], found[2]) if found else None
