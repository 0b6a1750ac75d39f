"""The wheels that a host needs: pinned, gathered on this side, cached, checked by hash before they are sent.

agent.txt (the same file as requirements/agent.txt) names each distribution with every hash that it may have.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from console.hosts import ownwheel, tool
from console.hosts.choice import Target
from console.hosts.errors import CannotGather
from console.hosts.payload import Part
from profiles.observed.status import Reason

PIP_LIMIT_S = 300.0
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pins() -> dict[str, frozenset[str]]:
    """The SHA-256 hashes that each pinned distribution may have."""
    found = {}
    for block in re.split(r"\n(?=\S)", _pin_text()):
        if pin := _PIN.match(block):
            found[pin[1]] = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
    return found


async def gather(target: Target) -> list[Part]:
    """The dependencies that fit `target` and this installation itself. Raises CannotGather."""
    folder = cache() / "wheels" / f"{target.abi}-{target.libc.kind}-{target.arch}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            kept = await asyncio.to_thread(verified, folder)
            if len(kept) < len(pins()):
                await _download(target, folder)
                kept = await asyncio.to_thread(verified, folder)
        own = Part(ownwheel.name(), await asyncio.to_thread(ownwheel.build))
    except OSError as error:
        hint = f"see that {folder} can be written"
        raise CannotGather(Reason("cache", f"the cache of wheels cannot be used: {error}", hint)) from None
    if lacking := sorted(pins().keys() - kept.keys()):
        text = f"no wheel of {', '.join(lacking)} for {target.abi} on {target.libc.text}, {target.arch}"
        raise CannotGather(Reason("no_wheel", text, "give the host another Python, 3.11 or newer"))
    return [*kept.values(), own]


def verified(folder: Path) -> dict[str, Part]:
    """Of each pinned distribution the wheel in `folder` that has one of its hashes; others are deleted."""
    allowed = pins()
    kept = {}
    for path in sorted(folder.glob("*.whl")):
        distribution = path.name.partition("-")[0].replace("_", "-").lower()
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() in allowed.get(distribution, ()):
            kept[distribution] = Part(path.name, data)
        else:
            path.unlink()
    return kept


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gpuyard"


def platforms(target: Target) -> list[str]:
    """The platform tags that run there, newest first (PEP 600, PEP 656)."""
    major, minor = target.libc.version
    if target.libc.kind == "musl":
        return [f"musllinux_{major}_{older}_{target.arch}" for older in range(minor, 0, -1)]
    tags = [f"manylinux_{major}_{older}_{target.arch}" for older in range(minor, 16, -1)]
    return [*tags, f"manylinux2014_{target.arch}"] if minor >= 17 else []


async def _download(target: Target, folder: Path) -> None:
    """By pip, into `folder`, whole or not at all. Raises CannotGather, OSError."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wanted = Path(name) / "agent.txt"
        wanted.write_text(_pin_text())
        argv = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        argv += ["--only-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(Path(name) / "w")]
        argv += ["--python-version", target.python, "--implementation", "cp"]
        argv += [word for abi in (target.abi, "abi3", "none") for word in ("--abi", abi)]
        argv += [word for platform in platforms(target) for word in ("--platform", platform)]
        pip = await tool.run(argv, PIP_LIMIT_S)
        if not pip.ok:
            raise CannotGather(_explain(pip.said, folder))
        for wheel in (Path(name) / "w").iterdir():
            shutil.move(wheel, folder / wheel.name)


def _explain(said: str, folder: Path) -> Reason:
    line = said.splitlines()[-1] if said else "it said nothing"
    if "No module named pip" in said:
        return Reason("no_pip", "gpuyard's own Python has no pip", f"run `{sys.executable} -m ensurepip`")
    hint = f"see that pip reaches an index here, or copy {folder} from a console where it does"
    return Reason("download", f"the wheels cannot be fetched: {line}", hint)


def _pin_text() -> str:
    return files("console.hosts").joinpath("agent.txt").read_text("utf-8")
