"""The temporary directory of one demo, and those that killed demos left behind.

gpuyard-demo-XXXX/          0700; the directory itself is locked while its cluster lives
  inventory.yaml  known_hosts  id_ed25519  demo.yaml  *.log
  <node>/state/             the agent's
  <node>/gpus/              the simulated GPUs, with a lock of their own for the engines
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "gpuyard-demo-"
_UNLOCKED_PREFIX = "gpuyard-new-"


@contextmanager
def demo_directory() -> Iterator[Path]:
    """A directory that exists, and is locked, within the block."""
    draft = Path(tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX))
    lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only now may others see it as a demo's: what has that name and no lock is stale.
        root = draft.rename(draft.with_name(PREFIX + draft.name.removeprefix(_UNLOCKED_PREFIX)))
        try:
            yield root
        finally:
            shutil.rmtree(root, ignore_errors=True)
    finally:
        os.close(lock)


def sweep() -> None:
    """Remove the directories of demos that are gone."""
    for root in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            if root.stat(follow_symlinks=False).st_uid != os.getuid():
                continue
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # gone meanwhile, or no directory
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(root, ignore_errors=True)
        except BlockingIOError:
            pass  # a living demo
        finally:
            os.close(lock)
