"""Start an engine that outlives us.

Launch ──► tier: a place for it ──► shim ──► handle.json ──► Handle
"""

from pathlib import Path

import msgspec

from agents import state
from agents.errors import AgentError
from agents.failpoints import reach
from agents.layout import InstanceLayout
from agents.processes import shim, tree
from agents.processes.isolation import hierarchy
from agents.processes.isolation.plain import Plain
from agents.processes.isolation.tier import Answer, Tier
from agents.processes.process import Handle
from agents.processes.recovery import recover
from profiles.desired.resources import Limits, cpu_set

NO_LIMITS = Limits()
DISK_HINT = "check the disk of the state directory"


class AlreadyLocked(AgentError):
    """A living engine still holds the instance's lock."""


class CannotExecute(AgentError):
    """The kernel refused to execute the program."""


class CannotRecord(AgentError):
    """The disk refused what would have to be known of the engine, so it does not run. Another try may succeed."""


class CameLate(CannotExecute):
    """A newer incarnation of the instance was started before."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What a shim is told on its stdin. `env` may hold secrets."""

    argv: tuple[str, ...]
    env: dict[str, str]
    incarnation: int
    port: int
    log_budget_bytes: int = shim.LOG_BUDGET_BYTES
    cgroup: str = ""
    unit_mount: str = ""
    """Where cgroup v2 is mounted, for a shim that is to make a group below that of its own unit."""
    cpus: tuple[int, ...] = ()
    memory_mib: int | None = None
    """The limit that the cgroup has, for the record of an end by it."""

    def __repr__(self) -> str:
        """Without the environment: what is printed of a failure must hold no secret."""
        return f"Launch(argv={self.argv!r}, incarnation={self.incarnation}, port={self.port}, env=…)"


async def spawn(paths: InstanceLayout, launch: Launch, tier: Tier | None = None, limits: Limits = NO_LIMITS) -> Handle:
    """Start an engine in `tier`, or plainly. Raises AlreadyLocked, CameLate, CannotExecute, CannotRecord, OSError."""
    tier = tier or Plain()
    place = tier.place(paths.directory.name, launch.incarnation, limits)
    launch = msgspec.structs.replace(
        launch,
        cgroup=place.cgroup,
        unit_mount=place.unit_mount,
        cpus=tuple(sorted(cpu_set(limits.cpus))) if limits.cpus else (),
        memory_mib=limits.memory_mib,
    )
    reach("before-spawn")
    try:
        answer = await tier.start(paths.directory, msgspec.json.encode(launch), limits)
    except TimeoutError:
        answer = Answer(shim.DIED, "the shim did not start the engine in time: see the load of the machine")
    reach("after-spawn")
    if answer.status == 0:
        return _read_handle(paths, launch.incarnation)
    if answer.status == shim.DIED and (handle := await _recover(paths, launch)):
        return handle
    if place.cgroup:
        hierarchy.leave(Path(place.cgroup))
    if answer.status == shim.BUSY:
        raise AlreadyLocked("an engine of this instance is still running", "stop it first")
    if answer.status == shim.LATE:
        raise CameLate(answer.text, "start it once more")
    if answer.status == shim.CANNOT_RECORD:
        raise CannotRecord(f"the engine could not be recorded, so it does not run: {answer.text}", DISK_HINT)
    raise CannotExecute(answer.text, "check the program of this engine")


async def _recover(paths: InstanceLayout, launch: Launch) -> Handle | None:
    """The engine of a shim that died on the way, if it came so far."""
    marker = (launch.env.get(tree.MARKER, ""), launch.env.get(tree.MARKER_STATE, ""))
    handle = await recover(paths, marker, launch.port)
    return handle if handle and handle.incarnation == launch.incarnation else None


def _read_handle(paths: InstanceLayout, incarnation: int) -> Handle:
    handle = state.load(paths.handle, Handle)
    if not isinstance(handle, Handle) or handle.incarnation != incarnation:
        raise CannotExecute("the shim wrote no readable handle.json", DISK_HINT)
    return handle
