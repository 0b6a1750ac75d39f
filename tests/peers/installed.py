"""Other GPU monitors, installed once for each machine and kept in the user's cache.

$XDG_CACHE_HOME/gpuyard/peers/<digest>/   an environment with requirements/peers.txt; `ready` is written last
$XDG_CACHE_HOME/gpuyard/nvtop/            nvtop's Debian package, unpacked: it needs no root that way
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PINS = Path(__file__).parent.parent.parent / "requirements" / "peers.txt"


class NotInstalled(Exception):
    """A peer could not be fetched; the text ends with what the installer said last."""


def python_peers() -> Path:
    """The folder of `nvitop`, `gpustat` and `nvitop-exporter`. Raises NotInstalled."""
    digest = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = _cache() / "peers" / digest
    with _alone(folder.with_name(f"{digest}.lock")):
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True, symlinks=True)
            _run(str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(PINS))
            (folder / "ready").touch()
    return folder / "bin"


def nvtop() -> Path:
    """The machine's own, or Debian's. Raises NotInstalled."""
    if found := shutil.which("nvtop"):
        return Path(found)
    folder = _cache() / "nvtop"
    program = folder / "usr" / "bin" / "nvtop"
    with _alone(folder.with_name("nvtop.lock")):
        if not program.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _unpack_debian(folder, "nvtop")
    return program


def _unpack_debian(folder: Path, package: str) -> None:
    """By an apt with lists of its own, which also looks in Debian's contrib."""
    if not shutil.which("apt-get"):
        raise NotInstalled(f"{package} is not on PATH, and there is no apt-get to fetch it")
    for name in ("sources", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    for file in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        if file.exists():
            (folder / "sources" / file.name).write_text(file.read_text().replace(" main", " main contrib"))
    options = [
        "-q", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={folder / 'sources'}",
        "-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}",
    ]  # fmt: skip
    _run("apt-get", *options, "update")
    _run("apt-get", *options, "download", package, cwd=folder)
    _run("dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpuyard"


def _run(*argv: str, cwd: Path | None = None) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"{' '.join(argv[:2])} … failed:\n{done.stderr[-2000:]}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when that process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
