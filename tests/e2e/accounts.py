"""Accounts that only the processes of a test know: a mount namespace in which /etc has lines more. Needs root.

This machine's own files stay as they are: whoever replaces them (useradd does) takes the ground from under every mount
namespace that has put something over them.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FIRST_UID = 64300
FILES = ("passwd", "group", "shadow")


@contextmanager
def accounts(folder: Path, shells: Mapping[str, str]) -> Iterator[list[str]]:
    """Makes one for each name, with its shell, no home, and a group of its own; yields what to put before a program.

    `*` stands for a password: sshd takes `!` for a locked account.
    """
    lines = dict.fromkeys(FILES, "")
    for uid, (name, shell) in enumerate(shells.items(), start=FIRST_UID):
        lines["passwd"] += f"{name}:x:{uid}:{uid}::/:{shell}\n"
        lines["group"] += f"{name}:x:{uid}:\n"
        lines["shadow"] += f"{name}:*:20000:0:99999:7:::\n"
    for file, more in lines.items():
        (folder / file).write_text((Path("/etc") / file).read_text() + more)
    script = "\n".join([*(f"mount --bind {folder}/{file} /etc/{file}" for file in FILES), "echo", "exec cat"])
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-ec", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as held:
        assert held.stdout
        assert held.stdout.readline() == b"\n", "the namespace is there"
        yield ["nsenter", f"--mount=/proc/{held.pid}/ns/mnt", "--"]
