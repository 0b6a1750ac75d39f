"""The agent with a Python of its own, for hosts whose Python is too old: frozen on this side by PyInstaller.

It runs where the processor is this machine's and the C library is at least as new as what its files ask for, which is
looked up before anything is sent. Kept in the cache by what it is made of.
"""

import asyncio
import gzip
import hashlib
import io
import platform
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from console.hosts import ownwheel, tool, wheels
from console.hosts.choice import ARCHITECTURES, OLDEST_PYTHON, Target
from console.hosts.errors import CannotGather
from console.hosts.payload import Part
from profiles.observed.status import Reason

FREEZE_LIMIT_S = 600.0
KEPT_AT_MOST = 3
NAME = "bundle.tar.gz"
_ASKED = re.compile(rb"GLIBC_2\.([0-9]+)\0")
_NEWER_PYTHON = f"give the host a Python from {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} on"


async def build(target: Target) -> Part:
    """Raises CannotGather."""
    arch = ARCHITECTURES.get(platform.machine())
    if target.libc.kind != "glibc" or target.arch != arch:
        text = f"its Python is too old, and no bundle for {target.libc.kind} on {target.arch} can be made here"
        raise CannotGather(Reason("old_python", text, f"{_NEWER_PYTHON}, or install from a machine of its kind"))
    _check_libc([Path(sys.executable)], target)  # before a minute is spent on freezing
    try:
        kept = wheels.cache() / "bundles" / f"{await asyncio.to_thread(_digest)}.tar.gz"
        if not kept.exists():
            await _freeze(kept)
        data = await asyncio.to_thread(kept.read_bytes)
    except OSError as error:
        raise CannotGather(Reason("cache", f"the cache of bundles cannot be used: {error}")) from None
    await asyncio.to_thread(_check_parts, data, target)
    return Part(NAME, data)


def asked_glibc(contents: Iterable[bytes]) -> int:
    """The newest minor version of glibc 2 that ELF files ask for by their symbol versions, 0 where none."""
    return max((int(found) for data in contents for found in _ASKED.findall(data)), default=0)


def _digest() -> str:
    """Of what a bundle is made of. Raises CannotGather."""
    try:
        freezer = version("pyinstaller")
    except PackageNotFoundError:
        text = "its Python is too old, and there is no freezer here to make it a bundle"
        hint = f"run `{sys.executable} -m pip install 'gpuyard[bundle]'`, or {_NEWER_PYTHON}"
        raise CannotGather(Reason("no_freezer", text, hint)) from None
    made_of = f"{sys.version} {freezer}".encode() + ownwheel.build()
    return hashlib.sha256(made_of).hexdigest()[:24]


async def _freeze(kept: Path) -> None:
    """Raises CannotGather, OSError."""
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        folder = Path(name)
        spec = str(files("console.hosts").joinpath("agent.spec"))
        argv = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
        argv += ["--distpath", str(folder / "made"), "--workpath", str(folder / "work"), spec]
        freezer = await tool.run(argv, FREEZE_LIMIT_S)
        if not freezer.ok:
            line = freezer.said.splitlines()[-1] if freezer.said else "it said nothing"
            raise CannotGather(Reason("freeze", f"PyInstaller failed: {line}", _NEWER_PYTHON))
        await asyncio.to_thread(_pack, folder / "made" / "gpuyard-agent", folder / NAME)
        (folder / NAME).rename(kept)
    for old in sorted(kept.parent.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)[:-KEPT_AT_MOST]:
        old.unlink()


def _pack(made: Path, target: Path) -> None:
    """Always the same bytes for the same files."""
    with (
        target.open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(made.rglob("*")):
            archive.add(path, path.relative_to(made).as_posix(), recursive=False, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _check_parts(data: bytes, target: Target) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        parts = (archive.extractfile(entry) for entry in archive if entry.isfile())
        _refuse_older(asked_glibc(part.read() for part in parts if part), target)


def _check_libc(paths: list[Path], target: Target) -> None:
    _refuse_older(asked_glibc(path.read_bytes() for path in paths), target)


def _refuse_older(minor: int, target: Target) -> None:
    """Raises CannotGather."""
    if target.libc.version < (2, minor):
        text = f"its Python is too old, and a bundle made here needs glibc 2.{minor}; the host has {target.libc.text}"
        raise CannotGather(Reason("old_libc", text, f"{_NEWER_PYTHON}, or install from an older machine"))
