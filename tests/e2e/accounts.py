"""Accounts that a test makes on this machine and takes away again. Needs root and the programs of passwd."""

import pwd
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.e2e.sshd import wait_until


@contextmanager
def account(shell: str) -> Iterator[str]:
    """Its name, which is that of its own group as well. No home, and `*` for a password: sshd takes `!` for locked."""
    name = f"gy{secrets.token_hex(4)}"
    words = ["--no-create-home", "--home-dir", "/", "--user-group", "--shell", shell, "--password", "*", name]
    subprocess.run(["useradd", *words], check=True, capture_output=True)
    try:
        yield name
    finally:
        uid = pwd.getpwnam(name).pw_uid
        wait_until(lambda: not _end(uid), 10, f"what {name} ran has ended")
        subprocess.run(["userdel", name], check=True, capture_output=True)


def _end(uid: int) -> list[psutil.Process]:
    """What runs as `uid`, told to end."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if process.uids().real == uid:
                found.append(process)
                process.kill()
    return found
