"""A `program` for the simulated engine that makes a double start observable, then becomes the engine itself.

It takes a lock of its own, named after the instance, which it holds until the whole process is gone; a second
engine of the same instance that runs at the same moment cannot get it and says so in the ledger.
"""

import fcntl
import os
import sys
from pathlib import Path

LEDGER = "FAULTS_LEDGER"
"""The directory of the locks and of `starts`, one line each: pid, instance, ok or DOUBLE."""


def main() -> None:
    directory = Path(os.environ[LEDGER])
    instance = os.environ["GPUYARD_INSTANCE"]
    lock = os.open(directory / f"{instance.replace('/', '.')}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = "ok"
    except BlockingIOError:
        said = "DOUBLE"
    line = f"{os.getpid()} {instance} {said}\n".encode()
    starts = os.open(directory / "starts", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(starts, line)
    os.close(starts)
    os.set_inheritable(lock, True)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
