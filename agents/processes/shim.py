"""Run one engine and write down how it ended. Standard library only, one process per instance.

    agent ── launch as JSON on stdin ──► shim ── own session and cgroup, inherits the lock ──► engine
                                          ├── handle.json   right after the start
                                          └── exit.json     once the engine and all its children are gone

The launch comes on a pipe because its environment holds secrets, which must lie neither on disk nor in argv.
A service manager passes no stdin on: then the pipe is the FIFO `launch` in the directory, and the answer the file
`answer`. The engine inherits the locked file: while it lives, no second shim gets the lock, and the file says
which incarnation took it last, so that a shim that comes late starts nothing. The engine's output goes straight
into a file, so nobody's death can block or break it; the shim frees the old ranges of that file.

Exit status of the process that the agent waits for, with a sentence on stderr or in `answer`: 0 handle.json is
written and a detached shim stays behind; 70 the shim died on the way; 71 the engine could not be executed; 74 its
handle could not be written, and it was killed again; 75 another engine of this instance holds the lock; 76 a newer
incarnation was started.
"""

# It is one file because it must import nothing of ours, and pathlib would cost every engine a megabyte:
# ruff: noqa: PTH100, PTH103, PTH105, PTH106, PTH118, PTH120, PTH123
import binascii
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class Launch(TypedDict):
        """agents.processes.spawn.Launch, as it arrives."""

        argv: list[str]
        env: dict[str, str]
        incarnation: int
        port: int
        log_budget_bytes: int
        cgroup: str
        unit_mount: str
        cpus: list[int]
        memory_mib: int | None


DIED = 70
CANNOT_EXECUTE = 71
CANNOT_RECORD = 74
BUSY = 75
LATE = 76

LOG_BUDGET_BYTES = 64 * 1024 * 1024
VERSION = 1
FAIL_POINT = "GPUYARD_FAIL_POINT"
FIFO_WORD = "--launch-fifo"
FIFO, ANSWER = "launch", "answer"
FIFO_LIMIT_S = 15
UNIT_LEAF = "engine"

SHIM_OOM_SCORE, ENGINE_OOM_SCORE = -600, 100
"""When memory runs out, a shim is the last to go and an engine goes before the agent (proc(5), oom_score_adj)."""

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_FREE_RANGE = 0x02 | 0x01  # linux/falloc.h: PUNCH_HOLE | KEEP_SIZE
_DISK_REFUSES = (5, 27, 28, 30, 122)  # EIO, EFBIG, ENOSPC, EROFS, EDQUOT
_NOT_SUPPORTED = (38, 95)  # ENOSYS, EOPNOTSUPP
_BLOCK_BYTES = 1024 * 1024
_BUSY_LOOK_S, _CALM_LOOK_S = 0.02, 0.25
_RECORD_TRIES = 20


def main(directory: str, *words: str) -> int:
    os.umask(0o077)
    os.chdir("/")
    by_fifo = FIFO_WORD in words
    status, text = begin(directory, read_launch(directory, by_fifo))
    if by_fifo:
        write_atomic(directory, ANSWER, {"status": status, "text": text})
    else:
        sys.stderr.write(text)
    return status


def read_launch(directory: str, by_fifo: bool) -> "Launch":
    """A FIFO without a writer would be waited for for ever: the alarm ends that."""
    if not by_fifo:
        launch: Launch = json.loads(sys.stdin.buffer.read())
        return launch
    signal.alarm(FIFO_LIMIT_S)
    with open(os.path.join(directory, FIFO), "rb") as fifo:
        launch = json.loads(fifo.read())
    signal.alarm(0)
    return launch


def begin(directory: str, launch: "Launch") -> tuple[int, str]:
    """Take the lock and leave a detached shim behind; its word on the start, as exit status and sentence."""
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return BUSY, "an engine of this instance is still running"
    if launch["incarnation"] <= last_taken(lock):
        return LATE, f"incarnation {last_taken(lock)} was started before"
    os.pwrite(lock, b"%d\n" % launch["incarnation"], 0)
    os.fsync(lock)
    reach("shim-locked")
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.close(lock)
        return told_status(told)
    os.close(told)
    os.setsid()
    supervise(directory, launch, lock, tell)
    os._exit(0)


def last_taken(lock: int) -> int:
    """The newest incarnation that took the lock, 0 before the first."""
    digits = os.pread(lock, 20, 0).split(b"\n")[0]
    return int(digits) if digits.isdigit() else 0


def told_status(told: int) -> tuple[int, str]:
    """What the detached half says about the start; its death before saying anything is a failed start."""
    said = b""
    while piece := os.read(told, 4096):
        said += piece
    status, _, text = said.decode(errors="replace").partition(" ")
    return (int(status), text) if status else (DIED, "the shim died")


def answer(tell: int, status: int, text: str) -> None:
    """Whoever asked may be gone, which is nothing to die of."""
    with contextlib.suppress(OSError):
        os.write(tell, f"{status} {text}".encode())
    os.close(tell)


def reach(point: str) -> None:
    """A fail point of agents/failpoints.py, which is read only where a test armed one."""
    if FAIL_POINT in os.environ:
        import runpy

        runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "failpoints.py"))["reach"](point)


def supervise(directory: str, launch: "Launch", lock: int, tell: int) -> None:
    """Start the engine, record it, outlive it, record its end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the record of the end is worth more than a quick goodbye
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    set_oom_score(SHIM_OOM_SCORE)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    reach("shim-detached")
    leaf = ""
    try:
        leaf = make_leaf(launch)
        log_path = os.path.join(directory, f"log.{launch['incarnation']}")
        log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        pid = start(launch, log, lock, leaf)
    except OSError as error:
        remove_leaf(leaf)
        status = CANNOT_RECORD if error.errno in _DISK_REFUSES else CANNOT_EXECUTE
        answer(tell, status, f"{error.filename or launch['argv'][0]}: {error.strerror}")
        return
    reach("shim-spawned")
    try:
        write_atomic(directory, "handle.json", handle(pid, launch, leaf))
    except OSError as error:
        kill_at_once(pid, leaf)
        answer(tell, CANNOT_RECORD, f"{error.filename or directory}: {error.strerror}")
        return
    reach("shim-recorded")
    launch["env"].clear()
    os.close(lock)
    answer(tell, 0, "")
    with contextlib.suppress(AttributeError):  # glibc's: what the start needed, nobody needs again
        libc.malloc_trim(0)
    status = reap(pid, libc, log, launch["log_budget_bytes"])
    reach("shim-reaped")
    end = end_of(status, launch, leaf)
    remove_leaf(leaf)
    record_end(directory, end)
    reach("shim-ended")


def make_leaf(launch: "Launch") -> str:
    """The cgroup that the engine is born into: the agent made it, or it is one below that of our own unit."""
    if not launch["unit_mount"]:
        return launch["cgroup"]
    with open("/proc/self/cgroup") as file:
        own = next((line.rstrip("\n")[3:] for line in file if line.startswith("0::")), "/")
    leaf = os.path.join(launch["unit_mount"], own.lstrip("/"), UNIT_LEAF)
    os.makedirs(leaf, exist_ok=True)
    return leaf


def remove_leaf(leaf: str) -> None:
    """With the agent's own directory above it, once nothing else is in there."""
    if leaf:
        with contextlib.suppress(OSError):
            os.rmdir(leaf)
            os.rmdir(os.path.dirname(leaf))


def start(launch: "Launch", log: int, lock: int, leaf: str) -> int:
    """The engine's pid. Raises OSError when it cannot be executed."""
    failed, fail = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            become(launch, log, lock, leaf)
        except OSError as error:
            os.write(fail, f"{error.errno} {error.filename or launch['argv'][0]}".encode())
        os._exit(127)
    os.close(fail)
    said = os.read(failed, 4096).decode()
    os.close(failed)
    if said:
        os.waitpid(pid, 0)
        number, _, name = said.partition(" ")
        raise OSError(int(number), os.strerror(int(number)), name)
    return pid


def become(launch: "Launch", log: int, lock: int, leaf: str) -> None:
    """Turn this fork into the engine. In its cgroup first, so that no child of it can ever be outside."""
    os.setsid()
    if leaf:
        write_text(os.path.join(leaf, "cgroup.procs"), "0")
    if launch["cpus"]:
        os.sched_setaffinity(0, launch["cpus"])
    set_oom_score(ENGINE_OOM_SCORE)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.set_inheritable(lock, True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(launch["argv"][0], launch["argv"], launch["env"])


def kill_at_once(pid: int, leaf: str) -> None:
    """An engine that nobody could find again must not run."""
    if leaf:
        with contextlib.suppress(OSError):
            write_text(os.path.join(leaf, "cgroup.kill"), "1")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    remove_leaf(leaf)


def handle(pid: int, launch: "Launch", leaf: str) -> dict[str, object]:
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot_id = file.read().strip()
    return {
        "pid": pid,
        "start_ticks": start_ticks(pid),
        "boot_id": boot_id,
        "shim_pid": os.getpid(),
        "shim_start_ticks": start_ticks(os.getpid()),
        "incarnation": launch["incarnation"],
        "port": launch["port"],
        "cgroup": leaf,
    }


def start_ticks(pid: int) -> int:
    """Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and brackets."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def reap(engine: int, libc: ctypes.CDLL, log: int, budget: int) -> int:
    """The engine's wait status, once no child and no adopted grandchild is left."""
    status = 0
    freed = 0
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            free_old(libc, log, budget, freed)
            return status
        if pid == engine:
            status = ended
        elif not pid:
            before = freed
            freed = free_old(libc, log, budget, freed)
            signal.sigtimedwait({signal.SIGCHLD}, _CALM_LOOK_S if freed == before else _BUSY_LOOK_S)


def free_old(libc: ctypes.CDLL, log: int, budget: int, freed: int) -> int:
    """Give the disk back what lies before the newest `budget` bytes; offsets in the file stay valid.

    A filesystem without holes loses the whole file instead: a reader then begins anew. The end of what is freed.
    """
    end = max(0, os.fstat(log).st_size - budget) // _BLOCK_BYTES * _BLOCK_BYTES
    if end <= freed:
        return freed
    if libc.fallocate(log, _FREE_RANGE, ctypes.c_longlong(0), ctypes.c_longlong(end)):
        if ctypes.get_errno() in _NOT_SUPPORTED:
            os.ftruncate(log, 0)
        return 0
    return end


def end_of(status: int, launch: "Launch", leaf: str) -> dict[str, object]:
    code = os.waitstatus_to_exitcode(status)
    end: dict[str, object] = {"incarnation": launch["incarnation"], "at_unix_s": time.time()}
    if leaf and launch["memory_mib"] and (kills := oom_kills(leaf)):
        end |= {"oom_kills": kills, "memory_mib": launch["memory_mib"]}
    return end | ({"code": code} if code >= 0 else {"signal": -code})


def oom_kills(leaf: str) -> int:
    """Processes that the kernel killed for the memory limit: of the leaf, or of the unit that has the limit."""
    for directory in (leaf, os.path.dirname(leaf)):
        with contextlib.suppress(OSError), open(os.path.join(directory, "memory.events")) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    return 0


def record_end(directory: str, end: dict[str, object]) -> None:
    """A full disk may have room again in a moment; a directory that was removed has not."""
    for _ in range(_RECORD_TRIES):
        try:
            write_atomic(directory, "exit.json", end)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(_CALM_LOOK_S)
        else:
            return


def set_oom_score(score: int) -> None:
    """Less than what it was needs CAP_SYS_RESOURCE."""
    with contextlib.suppress(OSError):
        write_text("/proc/self/oom_score_adj", str(score))


def write_text(path: str, text: str) -> None:
    """Raises OSError that names the file."""
    with open(path, "w") as file:
        file.write(text)


def write_atomic(directory: str, name: str, record: dict[str, object]) -> None:
    """As agents/state.py does it; its reader checks the sum."""
    data = json.dumps(record)
    checksum = binascii.crc32(data.encode(), binascii.crc32(b"%d " % VERSION))
    temporary = os.path.join(directory, f".{name}.new")
    with open(temporary, "w") as file:
        file.write(f'{{"version":{VERSION},"crc32":{checksum},"data":{data}}}')
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(directory, name))
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
