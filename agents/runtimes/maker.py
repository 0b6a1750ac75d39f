"""New runtimes of a node: what may be made, room for it, one at a time; unfinished ones of an earlier agent go.

start ──► Making ──► runtime.json: it is known        remove: runtime.json goes first, so that nothing starts from it
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.errors import Refused
from agents.runtimes.making import Making
from agents.runtimes.runtimes import RECORD, Runtimes
from agents.runtimes.settings import package_of
from engines import registry
from engines.abilities import Package
from profiles.observed.runtime import Requirement, requirement

SPARE_MIB = 1024
UNPACKED = 4
"""How many times the size of a wheel what is in it takes, with the room to unpack it."""

FreeMib = Callable[[Path], float]


def free_mib(directory: Path) -> float:
    """Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize / 2**20


class Maker:
    """`told` hears what became of one, `made` or `removed`, its name and who wanted it; `users` are the instances that
    run from a runtime or will.
    """

    def __init__(
        self,
        runtimes: Runtimes,
        told: Callable[[str, str, str], None] = lambda what, name, author: None,
        free: FreeMib = free_mib,
        users: Callable[[str], Sequence[str]] = lambda name: (),
    ) -> None:
        self._runtimes = runtimes
        self.directory = runtimes.made
        self._told = told
        self._free = free
        self._users = users
        self._makings: dict[str, Making] = {}
        """The last one of each name stays, so that its end can be read."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; no child and no half of an environment is left behind."""
        try:
            await asyncio.to_thread(self._sweep)
            await asyncio.Event().wait()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, text: str, wheels: str, author: str) -> str:
        """The name of the runtime that it becomes. Raises Refused, OSError."""
        wanted, engine, package = _wanted(text)
        name = wanted.name
        if self._tasks:
            raise Refused("busy", f"{', '.join(self._tasks)} is being made", "wait for it, or stop it")
        directory = self.directory / name
        if name in self._runtimes.known() or directory.exists():
            raise Refused("in_use", f"there is a runtime {name} already", "see `gpuyard runtime list`")
        self._check_room(package, wheels)
        making = self._makings[name] = Making(directory, engine, package, wanted, wheels)
        self._tasks[name] = task = asyncio.create_task(self._carry_out(making, author))
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return name

    async def report(self, name: str, known: int, wait_s: float) -> Making:
        """As soon as it has more than `known` lines. Raises Refused for one that this agent did not begin."""
        making = self._making(name)
        await making.next_report(known, wait_s)
        return making

    async def stop(self, name: str) -> None:
        """Nothing of it is left then. One that is over stays so. Raises Refused."""
        self._making(name)
        if task := self._tasks.get(name):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def remove(self, name: str, author: str) -> None:
        """Its directory is gone then. Raises Refused, OSError."""
        if (making := self._makings.get(name)) and not making.over:
            raise Refused("busy", f"{name} is being made", "wait for it, or stop it")
        if name not in self._runtimes.known():
            raise Refused("not_found", f"there is no runtime {name}", "see `gpuyard runtime list`")
        if not self._runtimes.is_made(name):
            raise Refused("denied", f"gpuyard did not make {name}", "take it out of the node's agent.toml")
        if users := self._users(name):
            raise Refused("in_use", f"{name} is used by {', '.join(users)}", "give them another `runtime`, or end them")
        directory = self.directory / name
        (directory / RECORD).unlink(missing_ok=True)
        self._makings.pop(name, None)
        await asyncio.to_thread(shutil.rmtree, directory)
        self._told("removed", name, author)

    async def _carry_out(self, making: Making, author: str) -> None:
        await making.run(self._runtimes.asker)
        if making.problem is None:
            self._told("made", making.name, author)

    def _check_room(self, package: Package, wheels: str) -> None:
        needed_mib = float(package.installed_mib)
        if wheels:
            folder = Path(wheels)
            if not folder.is_absolute() or not folder.is_dir():
                raise Refused("invalid", f"{wheels} is no directory of this node", "give its absolute path there")
            sizes = [one.stat().st_size for one in folder.glob("*.whl")]
            if not sizes:
                raise Refused("invalid", f"{wheels} has no wheels", "fill it with `pip download`")
            needed_mib = sum(sizes) / 2**20 * UNPACKED
        free = self._free(self.directory.parent)
        if free < needed_mib + SPARE_MIB:
            text = f"{self.directory.parent} has {free:,.0f} MiB free, about {needed_mib + SPARE_MIB:,.0f} are needed"
            raise Refused("unavailable", text, "free space there")

    def _making(self, name: str) -> Making:
        if name not in self._makings:
            raise Refused("not_found", f"no runtime {name} is being made", "it ended with the agent that began it")
        return self._makings[name]

    def _sweep(self) -> None:
        """What an agent left that was killed while it made one."""
        for directory in self.directory.glob("*/"):
            if not (directory / RECORD).exists() and directory.name not in self._makings:
                shutil.rmtree(directory, ignore_errors=True)


def _wanted(text: str) -> tuple[Requirement, str, Package]:
    """Raises Refused."""
    wanted = requirement(text)
    if wanted is None:
        raise Refused("invalid", f"`{text}` is no NAME==VERSION", "as `vllm==0.32.0`")
    packages = {name: package for name in registry.names() if (package := package_of(name)) and package.distribution}
    for engine, package in packages.items():
        if package.distribution == wanted.distribution:
            return wanted, engine, package
    known = ", ".join(sorted(package.distribution for package in packages.values()))
    raise Refused("invalid", f"no engine is installed as {wanted.distribution}", f"known: {known}")
