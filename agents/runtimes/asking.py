"""What a runtime says of itself, asked in a child with a deadline: its version, and whether it can be imported.

An answer is kept for as long as what was asked is the same file, and a failure for a minute.
"""

import asyncio
import contextlib
import math
import os
import re
import shutil
import signal
import time
from pathlib import Path

import msgspec

from agents.errors import AgentError
from engines.abilities import Package
from profiles.observed.runtime import Runtime

VERSION_LIMIT_S = 60.0
"""vLLM imports all that it has before it prints its version: ten seconds on a quiet machine."""
IMPORT_LIMIT_S = 180.0
FAILURE_KEPT_S = 60.0
END_LIMIT_S = 1.0
MAX_SAID_BYTES = 256 * 1024
_METADATA = "from importlib.metadata import version; print(version({name!r}))"
_IMPORT = "import {module}\n" + _METADATA


class CannotTell(AgentError):
    """A runtime did not say its version."""


class Missing(CannotTell):
    """It is not there at all, so that nothing can be started from it."""


class Told(msgspec.Struct, frozen=True):
    """What a runtime said last, of the files with this mark."""

    mark: object
    version: str = ""
    failure: CannotTell | None = None
    until_s: float = math.inf


class Asker:
    """Asks one runtime one question at a time."""

    def __init__(self, version_limit_s: float = VERSION_LIMIT_S, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        self._version_limit_s = version_limit_s
        self._import_limit_s = import_limit_s
        self._told: dict[Runtime, Told] = {}
        self._asking: dict[Runtime, asyncio.Lock] = {}

    async def version(self, runtime: Runtime, package: Package) -> str:
        """As it said before, where nothing changed since. Raises CannotTell."""
        async with self._asking.setdefault(runtime, asyncio.Lock()):
            told = self._told.get(runtime)
            if told is None or told.mark != _mark(runtime, package) or time.monotonic() >= told.until_s:
                told = await self._ask(runtime, package, _METADATA, self._version_limit_s)
            return _version(told)

    async def check(self, runtime: Runtime, package: Package) -> str:
        """Anew, and what can be imported is. Raises CannotTell."""
        async with self._asking.setdefault(runtime, asyncio.Lock()):
            return _version(await self._ask(runtime, package, _IMPORT, self._import_limit_s))

    async def _ask(self, runtime: Runtime, package: Package, script: str, limit_s: float) -> Told:
        mark = _mark(runtime, package)
        try:
            told = Told(mark, await _asked(runtime, package, script, limit_s))
        except CannotTell as error:
            told = Told(mark, failure=error, until_s=time.monotonic() + FAILURE_KEPT_S)
        self._told[runtime] = told
        return told


def _version(told: Told) -> str:
    if told.failure is not None:
        raise told.failure
    return told.version


async def _asked(runtime: Runtime, package: Package, script: str, limit_s: float) -> str:
    first, pattern = program(runtime, package), package.prints
    if runtime.venv:
        text = script.format(name=package.distribution, module=package.module)
        argv, pattern = [str(Path(runtime.venv) / "bin" / "python"), "-I", "-c", text], r"(?m)^(\S+)\s*\Z"
    elif runtime.prefix:
        argv = [*runtime.prefix, package.program, "--version"]
    else:
        argv = [first, "--version"]
    code, said = await run(argv, limit_s)
    found = re.search(pattern, said)
    if code or not found:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it printed nothing")
        raise CannotTell(f"{runtime.where()} does not tell its version: {last[:200]}", f"try {argv[0]} by hand there")
    return found[1]


def program(runtime: Runtime, package: Package) -> str:
    """The absolute path of what is executed first. Raises Missing."""
    path = Path(runtime.venv, "bin", package.program) if runtime.venv else Path(runtime.binary or runtime.prefix[0])
    if shutil.which(path) is None:
        text = f"{path} cannot be executed" if path.exists() else f"{path} is not there"
        raise Missing(text, f"install {package.program} there, or correct the runtime")
    return str(path)


async def run(argv: list[str], limit_s: float) -> tuple[int, str]:
    """Exit code and what was printed. Whatever it started goes with it. Raises CannotTell."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=null, stdout=pipe, stderr=asyncio.subprocess.STDOUT, start_new_session=True, cwd="/",
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
        )  # fmt: skip
    except OSError as error:
        raise Missing(f"{argv[0]} cannot be executed: {error.strerror or error}", "see that it is whole") from None
    assert child.stdout is not None
    try:
        async with asyncio.timeout(limit_s):
            said = await _some(child.stdout)
            return await child.wait(), said
    except TimeoutError:
        raise CannotTell(f"{argv[0]} gave no version within {limit_s:g} s", "see what holds it up") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_LIMIT_S):
                await _some(child.stdout)  # a child with a full pipe has not ended for asyncio
                await child.wait()


async def _some(stream: asyncio.StreamReader) -> str:
    """All of it that matters; the rest is read and dropped."""
    said = b""
    while piece := await stream.read(65536):
        said = (said + piece)[-MAX_SAID_BYTES:]
    return said.decode("utf-8", "replace")


def _mark(runtime: Runtime, package: Package) -> object:
    """Another one when what is installed there is another."""
    places = [Path(runtime.venv or runtime.binary or runtime.prefix[0])]
    if runtime.venv:
        places += [places[0] / "bin" / package.program, *sorted(places[0].glob("lib/python*/site-packages"))]
    return tuple(_changed_ns(place) for place in places)


def _changed_ns(place: Path) -> int | None:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return None
