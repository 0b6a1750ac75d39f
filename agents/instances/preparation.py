"""From a spec to what a shim executes: everything that can be refused before anything runs."""

import os
import pwd
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from agents.errors import AgentError
from agents.instances.secrets import SecretUnusable, read_secret
from agents.layout import Layout
from agents.processes import process, spawn, tree
from agents.runtimes.runtimes import CannotUse, Runtimes, Used
from engines import haproxy, registry
from engines.base import LOOPBACK, Command, Engine, EngineError, Launch, UnknownEngine
from engines.fitting import NOTHING_KNOWN, fitted
from engines.options import options_for
from engines.simulated_device import DIRECTORY_VARIABLE
from profiles.desired.model import InstanceSpec, SecretRef
from profiles.desired.resources import cpu_list, cpu_set
from profiles.observed.status import Reason
from profiles.text.allowed import NotAllowed, served_name

CPUS_ONLINE = Path("/sys/devices/system/cpu/online")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotStart(AgentError):
    """Starting again would not help: somebody has to change something first."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = Reason(code, message, hint)


class Described(msgspec.Struct, frozen=True):
    """An instance in its adapter's words."""

    engine: Engine
    launch: Launch
    used: Used | None = None


async def runtime_of(runtimes: Runtimes, spec: InstanceSpec) -> Used | None:
    """None for a program on the PATH. Raises CannotStart."""
    try:
        return await runtimes.use(spec)
    except CannotUse as error:
        raise CannotStart(error.code, error.message, error.hint) from None


def describe(
    spec: InstanceSpec,
    port: int,
    directory: Path = Path(),
    free_mib: Mapping[str, int] = NOTHING_KNOWN,
    used: Used | None = None,
) -> Described:
    """`free_mib` is of GPUs, for an engine that is about to start.

    Raises CannotStart for an unknown engine, options that it refuses, or a model that is no word.
    """
    raw = {**spec.options, "program": used.program} if used else spec.options
    try:
        engine = haproxy.ENGINE if spec.gateway else registry.get(spec.engine)
        options = options_for(engine, fitted(engine, raw, spec.slices, free_mib))
        served = "" if spec.gateway else served_name(spec.model, spec.served_as)
    except EngineError as error:
        code = "unknown_engine" if isinstance(error, UnknownEngine) else "bad_options"
        raise CannotStart(code, error.message, error.hint) from None
    except NotAllowed as error:
        raise CannotStart("bad_options", error.message, error.hint) from None
    launch = Launch(
        instance=spec.name,
        model=spec.model,
        served_name=served,
        port=port,
        options=options,
        targets_s=_targets_s(spec),
        directory=str(directory),
        slices=spec.slices,
        host=spec.bind or LOOPBACK,
        version=used.version if used else "",
    )
    return Described(engine, launch, used)


def _targets_s(spec: InstanceSpec) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for one in spec.slo.latency:
        found[one.field] = (*found.get(one.field, ()), one.target_s)
    return found


def choose_port(spec: InstanceSpec, kept: int | None, taken: Iterable[int]) -> int:
    """The port of the spec, else the one that the instance had, else a free one. Raises CannotStart.

    `taken` are ports promised to other instances, which may not listen yet.
    """
    promised = set(taken)
    if spec.port is not None:
        if spec.port in promised or not process.port_is_free(spec.port):
            hint = f"stop what listens there (`ss -ltnp 'sport = {spec.port}'`), or leave `port` out"
            raise CannotStart("port_in_use", f"port {spec.port} is in use by another process", hint)
        return spec.port
    if kept is not None and kept not in promised and process.port_is_free(kept):
        return kept
    while (port := process.free_port()) in promised:
        pass
    return port


def prepare(
    layout: Layout, described: Described, spec: InstanceSpec, incarnation: int, simulated: Path | None
) -> spawn.Launch:
    """What the shim is told. Raises CannotStart: program, files, secrets."""
    _check_cpus(spec)
    command, used = described.engine.command(described.launch), described.used
    env = environment(layout, command, spec, simulated)
    for file in command.needs_files:
        if not Path(file).is_absolute():
            raise CannotStart("model_relative", f"the path {file} is not absolute", "write it from / on")
        if not Path(file).exists():
            raise CannotStart("model_missing", f"{file} does not exist on this node", "copy the model, or fix `model`")
    if used and used.venv:  # compilers that it brings are looked for by name
        env |= {"PATH": f"{used.venv}/bin:{env['PATH']}", "VIRTUAL_ENV": used.venv}
    first, *rest = (*(used.prefix if used else ()), *command.argv)
    program = shutil.which(first, path=env["PATH"])
    if program is None:
        hint = f"install {described.engine.name} and name it in the node's agent.toml, see `gpuyard runtime list`"
        if spec.gateway:
            hint = "install the node's package `haproxy`"
        raise CannotStart("program_missing", f"the program `{first}` was not found", hint)
    return spawn.Launch(argv=(program, *rest), env=env, incarnation=incarnation, port=described.launch.port)


def write_files(described: Described) -> None:
    """What the engine reads its settings from, readable by its user alone. Raises OSError."""
    for name, text in described.engine.command(described.launch).files.items():
        path = Path(described.launch.directory) / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)


def check_bind(spec: InstanceSpec, approved: str) -> None:
    """The admin may have taken it back since it was wanted. Raises CannotStart."""
    if spec.bind and spec.bind != approved:
        text = f"it may not listen at {spec.bind}: the admin of this node approved {approved or 'no address'}"
        raise CannotStart("bind_refused", text, "`bind` in agent.toml names it; or leave `bind` out")


def _check_cpus(spec: InstanceSpec) -> None:
    online = cpu_set(CPUS_ONLINE.read_text().strip())
    if missing := (cpu_set(spec.limits.cpus) if spec.limits.cpus else frozenset()) - online:
        text = f"this node has no CPU {cpu_list(missing)}"
        raise CannotStart("cpus_missing", text, f"`cpus` may name {cpu_list(online)} here")


def environment(layout: Layout, command: Command, spec: InstanceSpec, simulated: Path | None) -> dict[str, str]:
    """Built from nothing, so that an engine starts alike whoever started the agent. Raises CannotStart."""
    user = pwd.getpwuid(os.getuid())
    env = {
        "PATH": os.environ.get("PATH", SYSTEM_PATH),
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LANG": "C.UTF-8",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        **command.env,
    }
    for name, value in spec.env.items():
        try:
            env[name] = read_secret(layout, value.secret) if isinstance(value, SecretRef) else value
        except SecretUnusable as error:
            raise CannotStart(error.code, error.message, error.hint) from None
    if simulated is not None:
        env[DIRECTORY_VARIABLE] = str(simulated)
    return env | {tree.MARKER: spec.name, tree.MARKER_STATE: str(layout.state)}
