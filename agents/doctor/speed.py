"""How fast a disk gives a file: a bounded read that the page cache does not answer, where the filesystem allows it.

O_DIRECT goes past the cache. Where it is refused (tmpfs, some FUSE), the file's pages are dropped first
(posix_fadvise(2)), which the kernel may decline: `bypassed` says which of the two it was.
"""

import errno
import mmap
import os
import time
from pathlib import Path
from typing import NamedTuple

CHUNK_BYTES = 4 * 1024**2
READ_BYTES = 256 * 1024**2
READ_S = 3.0


class Speed(NamedTuple):
    """`mb_per_s` in millions of bytes, as disks are sold."""

    read_bytes: int
    took_s: float
    bypassed: bool

    @property
    def mb_per_s(self) -> float:
        return self.read_bytes / 1e6 / max(self.took_s, 1e-6)


def measure(file: Path, read_bytes: int = READ_BYTES, limit_s: float = READ_S) -> Speed:
    """Read from the beginning of `file`, at most so many bytes and so long. Raises OSError."""
    try:
        return _read(file, os.O_DIRECT, read_bytes, limit_s)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _read(file, 0, read_bytes, limit_s)


def _read(file: Path, direct: int, read_bytes: int, limit_s: float) -> Speed:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | direct)
    # Anonymous memory is aligned to pages, as O_DIRECT wants it.
    with mmap.mmap(-1, CHUNK_BYTES) as buffer:
        try:
            if not direct:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            at, began_s = 0, time.perf_counter()
            while at < read_bytes and time.perf_counter() - began_s < limit_s:
                got = os.preadv(descriptor, [buffer], at)
                at += got
                if got < CHUNK_BYTES:
                    break
            return Speed(at, time.perf_counter() - began_s, bool(direct))
        finally:
            os.close(descriptor)
