"""Claims of this agent on GPUs, where the agents of other users on the machine see them, and theirs.

    take ──► file ──► (nobody else's beside it?) ──► the engine starts ──► hold ──► it is verifiably gone ──► release

One file an agent in a directory that is root's and sticky, so that only its owner can change or remove it. Who the
claim is of is the file's owner. A claim counts while its agent lives, or its engine does: both are told by pid, start
time and uid. Two that claim at once see each other, since each looks again after it wrote: both withdraw.
"""

import contextlib
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from agents.processes import tree
from engines.devices import MigSlot, Slice
from profiles.gpu.account import kept_mib
from profiles.observed.status import GpuClaim, Reason

PLACE = Path("/dev/shm")
PREFIX = "gpuyard-claims."
MAX_BYTES = 256 * 1024
MAX_NAME_CHARS = 80

Claimed = Mapping[str, Sequence[GpuClaim]]
"""By the GPU's UUID."""

R = TypeVar("R")


class Owner(msgspec.Struct, frozen=True):
    """A process; with the uid of the file it is one and no later one of the same pid."""

    pid: int
    start_ticks: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance has: MiB by GPU, None all of it. `engine` None while it is being started."""

    gpus: dict[str, int | None]
    slots: dict[str, MigSlot] = {}
    engine: Owner | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    version: int = 1
    boot_id: str
    agent: Owner
    held: dict[str, Held]


class Claims:
    """Of the agent of `state`. `scope` keeps GPUs of one name apart that are not the same, as simulated ones are."""

    def __init__(self, state: Path, scope: str = "", place: Path = PLACE) -> None:
        digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
        self._place = place
        self._path = place / f"{PREFIX}{os.geteuid()}.{digest}"
        self._scope = f"{scope}:" if scope else ""
        self._boot_id = tree.boot_id()
        me = tree.stat(os.getpid())
        self._me = Owner(os.getpid(), me.start_ticks if me else 0)
        self._held: dict[str, Held] = {}
        self.problem: Reason | None = None
        """Why others may not see what is claimed here."""
        self._find_again()

    def take(self, instance: str, wanted: Sequence[Slice], refused: Callable[[Claimed], R | None]) -> R | None:
        """Claim `wanted` for an engine that is about to start; or why not, as `refused` finds beside others' claims."""
        if (found := refused(self.others())) is not None:
            return found
        self._put(instance, wanted, None)
        if (found := refused(self.others())) is not None:
            self.release(instance)
        return found

    def hold(self, instance: str, wanted: Sequence[Slice], pid: int, start_ticks: int) -> None:
        """An engine runs on `wanted`, whoever else claims it."""
        if wanted:
            self._put(instance, wanted, Owner(pid, start_ticks))

    def release(self, instance: str) -> None:
        """Nothing of it is left."""
        if self._held.pop(instance, None) is not None:
            self._write()

    def look(self) -> Claimed:
        """As `others`; also puts back what somebody cleared away, as a logout may (systemd's RemoveIPC)."""
        if self._held and not self._path.exists():
            self._write()
        return self.others()

    def others(self) -> Claimed:
        """By the GPU's UUID; files that cannot be trusted do not count."""
        found: dict[str, list[GpuClaim]] = {}
        for path in self._files():
            if path == self._path or (read := _read(path)) is None:
                continue
            uid, content = read
            for instance, held in self._living(content, uid).items():
                for gpu, memory_mib in held.gpus.items():
                    if gpu.startswith(self._scope):
                        claim = GpuClaim(
                            user=_user(uid),
                            instance=_harmless(instance),
                            memory_mib=memory_mib,
                            mig=held.slots.get(gpu),
                        )
                        found.setdefault(gpu.removeprefix(self._scope), []).append(claim)
        return found

    def _living(self, content: Content, uid: int) -> dict[str, Held]:
        if content.boot_id != self._boot_id:
            return {}
        agent_lives = _lives(content.agent, uid)
        return {
            name: held for name, held in content.held.items()
            if agent_lives or (held.engine is not None and _lives(held.engine, uid))
        }  # fmt: skip

    def _put(self, instance: str, wanted: Iterable[Slice], engine: Owner | None) -> None:
        parts = {f"{self._scope}{one.gpu_uuid}": one for one in wanted}
        memory = {gpu: None if one.whole else kept_mib(one, None) for gpu, one in parts.items()}
        held = Held(gpus=memory, slots={gpu: one.mig for gpu, one in parts.items() if one.mig}, engine=engine)
        if self._held.get(instance) != held:
            self._held[instance] = held
            self._write()

    def _find_again(self) -> None:
        """Engines that outlived an earlier agent; and files of our own that nobody is left of."""
        for path in self._files():
            if (read := _read(path)) is None or read[0] != os.geteuid():
                continue
            living = self._living(read[1], read[0])
            if path == self._path:
                self._held = living
            elif not living:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _files(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return sorted(path for path in self._place.iterdir() if path.name.startswith(PREFIX))
        return []

    def _write(self) -> None:
        """A place that refuses stops no engine: it is told, and tried again with the next change."""
        try:
            _check(self._place)
            if self._held:
                content = Content(boot_id=self._boot_id, agent=self._me, held=self._held)
                _replace(self._path, msgspec.json.encode(content))
            else:
                self._path.unlink(missing_ok=True)
            self.problem = None
        except OSError as error:
            text = f"what this agent gives of GPUs cannot be shown to agents of other users: {error.strerror or error}"
            self.problem = Reason("claims", text, f"see {self._path}: nobody else's file may be there")


def _check(place: Path) -> None:
    """Nobody but the owner of a file may take it away. Raises OSError."""
    found = place.stat()
    theirs = found.st_uid not in (0, os.geteuid())
    if theirs or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
        raise OSError(f"{place} is not root's, or not sticky")


def _replace(path: Path, content: bytes) -> None:
    """Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(prefix=".gpuyard-claims.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[int, Content] | None:
    """With the owner's uid; None for a link, what others may write to, and what is no claim."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        regular = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if not regular or found.st_mode & 0o022 or found.st_size > MAX_BYTES:
            return None
        try:
            return found.st_uid, msgspec.json.decode(file.read(MAX_BYTES), type=Content)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


def _lives(one: Owner, uid: int) -> bool:
    """Whether this very process of `uid` runs; one that /proc hides (hidepid) does, as far as can be told."""
    found = tree.stat(one.pid)
    if found is None:
        return _is_hidden(one.pid)
    return found.start_ticks == one.start_ticks and not found.zombie and _real_uid(one.pid) == uid


def _is_hidden(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False


def _real_uid(pid: int) -> int | None:
    """Not the owner of /proc/PID: that is root for a process that changed its user."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
            if line.startswith(b"Uid:"):
                return int(line.split()[1])
    return None


@lru_cache(64)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _harmless(name: str) -> str:
    """Anybody may write a file of his own: what is no text for a terminal is replaced."""
    return "".join(sign if sign.isprintable() else "?" for sign in name[:MAX_NAME_CHARS])
