"""Whether a directory lies on a network file system, where locks lie and a write may hang for ever."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse", "fuse.juicefs",
})  # fmt: skip
"""Types as the kernel names them (proc(5), mountinfo)."""


def network_type(directory: Path) -> str | None:
    """The type of the network file system under `directory`; None for a local one. Raises OSError."""
    device = directory.stat().st_dev
    found = type_of(MOUNTS.read_text("utf-8", "replace"), f"{os.major(device)}:{os.minor(device)}")
    return found if found in NETWORK else None


def type_of(mounts: str, device: str) -> str | None:
    """The type of what is mounted from `device` (major:minor), in the words of mountinfo."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) > 2 and fields[2] == device and after:
            return after.split()[0]
    return None
