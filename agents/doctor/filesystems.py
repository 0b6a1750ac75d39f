"""What lies under a directory: the type of its filesystem and what is free."""

import os
from pathlib import Path
from typing import NamedTuple

from agents.doctor.subject import Subject
from agents.mounts import NETWORK, type_of

GIB = 1024**3


class Filesystem(NamedTuple):
    """`kind` "" where the mount table does not say, as for a subvolume of btrfs."""

    kind: str
    free_bytes: int
    total_bytes: int

    @property
    def is_network(self) -> bool:
        return self.kind in NETWORK

    @property
    def text(self) -> str:
        return (
            f"{self.kind or 'unknown filesystem'}, {self.free_bytes / GIB:.1f} of {self.total_bytes / GIB:.1f} GiB free"
        )


def under(subject: Subject, directory: Path) -> Filesystem:
    """Raises OSError."""
    device = directory.stat().st_dev
    found = os.statvfs(directory)
    mounts = (subject.root / "proc/self/mountinfo").read_text("utf-8", "replace")
    kind = type_of(mounts, f"{os.major(device)}:{os.minor(device)}") or ""
    return Filesystem(kind, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
