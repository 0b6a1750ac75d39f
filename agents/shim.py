"""Run one engine and write down how it ended. Standard library only, run by path, one process per instance.

    agent ── launch as JSON on stdin ──► shim ── own session, inherits the lock ──► engine
                                          ├── handle.json   right after the start
                                          └── exit.json     once the engine and all its children are gone

The launch comes on a pipe because its environment holds secrets, which must lie neither on disk nor in argv.
The engine inherits the locked file: while it lives, no second shim gets the lock. Its output goes straight
into a file, so nobody's death can block or break it; the shim frees the old ranges of that file.

Exit status of the process that the agent waits for: 0 handle.json is written and a detached shim stays
behind; 75 another engine of this instance holds the lock; 71 the engine could not be executed (text on
stderr).
"""

# pathlib would cost every engine a megabyte:
# ruff: noqa: PTH100, PTH105, PTH108, PTH118, PTH120, PTH123
import binascii
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import sys
import time

BUSY = 75
CANNOT_EXECUTE = 71

LOG_BUDGET_BYTES = 64 * 1024 * 1024
VERSION = 1
FAIL_POINT = "GPUYARD_FAIL_POINT"

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_FREE_RANGE = 0x02 | 0x01  # linux/falloc.h: PUNCH_HOLE | KEEP_SIZE
_BLOCK_BYTES = 1024 * 1024


def main(directory: str) -> int:
    os.umask(0o077)
    os.chdir("/")
    launch = json.loads(sys.stdin.buffer.read())
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return BUSY
    reach("shim-locked")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, "exit.json"))
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return told_status(told)
    os.close(told)
    os.setsid()
    status = supervise(directory, launch, lock, tell)
    os._exit(status)


def reach(point: str) -> None:
    """A fail point of agents/failpoints.py, which is read only where a test armed one."""
    if FAIL_POINT in os.environ:
        import runpy

        runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "failpoints.py"))["reach"](point)


def told_status(told: int) -> int:
    """What the detached half says about the start; its death before saying anything is a failed start."""
    answer = b""
    while piece := os.read(told, 4096):
        answer += piece
    if answer == b"started":
        return 0
    sys.stderr.write(answer.decode(errors="replace") or "the shim died")
    return CANNOT_EXECUTE


def supervise(directory: str, launch: dict[str, object], lock: int, tell: int) -> int:
    """Start the engine, record it, outlive it, record its end."""
    argv, env, incarnation = launch["argv"], launch["env"], launch["incarnation"]
    budget = launch["log_budget_bytes"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    assert isinstance(budget, int)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the record of the end is worth more than a quick goodbye
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    log_path = os.path.join(directory, f"log.{incarnation}")
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    reach("shim-detached")
    try:
        pid = start(argv, env, log, lock)
    except OSError as error:
        os.write(tell, f"{argv[0]}: {error.strerror}".encode())
        return CANNOT_EXECUTE
    reach("shim-spawned")
    write_atomic(directory, "handle.json", handle(pid, launch))
    reach("shim-recorded")
    launch.clear()
    env.clear()
    os.close(lock)
    os.write(tell, b"started")
    os.close(tell)
    code = os.waitstatus_to_exitcode(reap(pid, libc, log, budget))
    end: dict[str, object] = {"incarnation": incarnation, "at_unix_s": time.time()}
    end |= {"code": code} if code >= 0 else {"signal": -code}
    reach("shim-reaped")
    write_atomic(directory, "exit.json", end)
    reach("shim-ended")
    return 0


def start(argv: list[str], env: dict[str, str], log: int, lock: int) -> int:
    """The engine's pid, in a session of its own. Raises OSError when it cannot be executed."""
    os.set_inheritable(lock, True)
    return os.posix_spawn(
        argv[0],
        argv,
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE),
    )


def handle(pid: int, launch: dict[str, object]) -> dict[str, object]:
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
            return status
        if pid == engine:
            status = ended
        elif not pid:
            signal.sigtimedwait({signal.SIGCHLD}, 1.0)
            freed = free_old(libc, log, budget, freed)


def free_old(libc: ctypes.CDLL, log: int, budget: int, freed: int) -> int:
    """Give the disk back what lies before the newest `budget` bytes; offsets in the file stay valid."""
    end = max(0, os.fstat(log).st_size - budget) // _BLOCK_BYTES * _BLOCK_BYTES
    if end > freed:
        libc.fallocate(log, _FREE_RANGE, ctypes.c_longlong(0), ctypes.c_longlong(end))
        return end
    return freed


def write_atomic(directory: str, name: str, record: dict[str, object]) -> None:
    """As agents/state.py does it; its reader checks the sum."""
    data = json.dumps(record)
    checksum = binascii.crc32(data.encode(), binascii.crc32(b"%d " % VERSION))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}")
    with open(temporary, "w") as file:
        file.write(f'{{"version":{VERSION},"crc32":{checksum},"data":{data}}}')
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(directory, name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
