"""agent.toml: what the admin of a node says of it. Strict, and a complaint names its line.

gpuyard = 1
bind = "10.0.0.5"                # where gateways may listen for other machines; left out, nowhere
metrics = "127.0.0.1:9401"       # where Prometheus may scrape this node; left out, nowhere
[runtimes.vllm-32]
engine = "vllm"
venv = "/opt/vllm-0.32"          # or binary = "/usr/local/bin/llama-server", or prefix = ["/opt/env/run"]
"""

from pathlib import Path

import msgspec

from agents.errors import AgentError
from agents.trusted import Untrusted, read_trusted
from engines import registry
from engines.abilities import Package, Packaged
from engines.base import LOOPBACK, EngineError
from profiles.observed.runtime import NAME, Runtime
from profiles.text import conform, tomltext
from profiles.text.allowed import MAX_PORT, MIN_PORT, is_address
from profiles.text.document import Document, FileError

MAX_BYTES = 256 * 1024
VERSION = 1


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Nothing in it is needed."""

    gpuyard: int = VERSION
    bind: str = ""
    metrics: str = ""
    runtimes: dict[str, Runtime] = {}


class BadSettings(AgentError):
    """agent.toml cannot be believed, or says nonsense."""


def read(path: Path) -> Settings:
    """No file says nothing. Raises BadSettings."""
    try:
        content = read_trusted(path, MAX_BYTES) if path.exists() or path.is_symlink() else b""
        document = tomltext.parse(content.decode(), str(path))
        settings = conform.convert(document, Settings)
        _check(document, settings)
    except Untrusted as error:
        raise BadSettings(error.message, error.hint or "make it readable for the agent") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is no UTF-8", "write it as UTF-8") from None
    except FileError as error:
        raise BadSettings(str(error), error.hint) from None
    return settings


def package_of(engine: str) -> Package | None:
    """How the engine is installed; None for one that has no runtimes. Raises EngineError for one that is unknown."""
    adapter = registry.get(engine)
    return adapter.package if isinstance(adapter, Packaged) else None


def _is_loopback(place: str) -> bool:
    host, _, port = place.rpartition(":")
    return host == LOOPBACK and port.isascii() and port.isdigit() and MIN_PORT <= int(port) <= MAX_PORT


def _check(document: Document, settings: Settings) -> None:
    """What types cannot say. Raises FileError."""
    if settings.gpuyard != VERSION:
        raise document.error(("gpuyard",), f"version {settings.gpuyard} is not known", f"write gpuyard = {VERSION}")
    if settings.bind and not is_address(settings.bind):
        hint = "one IPv4 address of this node that other machines reach, like 10.0.0.5"
        raise document.error(("bind",), f"`{settings.bind}` is no address to listen at", hint)
    if settings.metrics and not _is_loopback(settings.metrics):
        text = (
            f"`{settings.metrics}` is not {LOOPBACK} and a port: there is no login, so nothing but loopback is served"
        )
        hint = f'metrics = "{LOOPBACK}:9401"; `gpuyard export`, or a proxy with a login, carries them further'
        raise document.error(("metrics",), text, hint)
    for name, runtime in settings.runtimes.items():
        here = ("runtimes", name)
        if not NAME.fullmatch(name):
            hint = "small letters, digits, `.`, `_`, `+` and `-`, a letter or digit first"
            raise document.error(here, f"`{name}` cannot name a runtime", hint)
        text, hint = runtime.problem()
        if text:
            raise document.error(here, text, hint)
        try:
            package = package_of(runtime.engine)
        except EngineError as error:
            raise document.error((*here, "engine"), error.message, error.hint) from None
        if package is None:
            raise document.error((*here, "engine"), f"{runtime.engine} has no runtimes", "it comes with gpuyard")
        if runtime.venv and not package.distribution:
            text = f"{package.program} is a program, not a Python package"
            raise document.error((*here, "venv"), text, "give its path as `binary`")
