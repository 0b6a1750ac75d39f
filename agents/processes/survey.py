"""Whose the processes of this node are.

GPU readings ─┐
marks ────────┼──► ours      of an instance that runs
cgroups ──────┘    orphan    marked, or in a group, of this agent, and its instance does not run: nothing will end it
                   foreign   on a GPU, and none of ours
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from agents.board import Board
from agents.processes import tree, whois
from agents.processes.isolation import hierarchy
from agents.processes.isolation.cgroup import base_name
from agents.redaction import Redactor
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import GpuProcess, GpuReading

MAX_LISTED = 2000
SETTLED_S = 60.0
"""A younger process may be between its fork and its exec, which is when it gets its mark."""

_ORDER = (ProcessKind.ORPHAN, ProcessKind.OURS, ProcessKind.FOREIGN)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one pid holds on all GPUs."""

    gpus: tuple[int, ...]
    memory_mib: int | None
    busy_ratio: float | None
    name: str
    user: str
    instance: str | None


class Survey:
    """`living` are the instances that run → when their engine was started, in ticks; 0 while it is being started."""

    def __init__(
        self,
        state: Path,
        board: Board,
        living: Callable[[], Mapping[str, int]],
        redactor: Callable[[], Redactor],
    ) -> None:
        self._state = str(state)
        self._group = f"/{base_name(state)}/"
        self._board = board
        self._living = living
        self._redactor = redactor
        self._settled: dict[tuple[int, int], str | None] = {}
        """The instance of each process that is old enough not to become another program any more."""

    async def everyone(self, *, commands: bool) -> tuple[NodeProcess, ...]:
        """All processes on GPUs and all of this agent; with `commands` their arguments. Orphans first."""
        held, living, redactor = held_by(self._board.status().gpus), self._living(), self._redactor()
        found = await asyncio.to_thread(self._look, held, living)
        if commands:
            found = [
                msgspec.structs.replace(one, command=redactor.text(whois.command(one.pid)) if one.start_ticks else "")
                for one in found
            ]
        found.sort(key=lambda one: (_ORDER.index(one.kind), one.instance or "", one.pid))
        return tuple(found[:MAX_LISTED])

    def one(self, pid: int, start_ticks: int) -> NodeProcess | None:
        """This very process as it is now; None where it is gone, or none that would be listed."""
        held = held_by(self._board.status().gpus).get(pid)
        found = tree.stat(pid)
        if found is None or found.zombie or found.start_ticks != start_ticks:
            return None
        instance = self._instance(found)
        return _described(pid, found, held, instance, self._living()) if held or instance else None

    def _look(self, held: Mapping[int, Held], living: Mapping[str, int]) -> list[NodeProcess]:
        everyone = tree.everyone()
        instances = {pid: name for pid, one in everyone.items() if (name := self._remembered(one))}
        there = {(one.pid, one.start_ticks) for one in everyone.values()}
        self._settled = {key: name for key, name in self._settled.items() if key in there}
        return [
            _described(pid, everyone.get(pid), held.get(pid), instances.get(pid), living)
            for pid in held.keys() | instances.keys()
        ]

    def _remembered(self, one: tree.Stat) -> str | None:
        """Four files a process are read once, not at each look."""
        key = (one.pid, one.start_ticks)
        if key in self._settled:
            return self._settled[key]
        found = self._instance(one)
        if whois.age_s(one) > SETTLED_S:
            self._settled[key] = found
        return found

    def _instance(self, one: tree.Stat) -> str | None:
        """The instance of this agent that it says it is of, or whose group it is in."""
        marker = tree.marked(one.pid)
        if marker is not None:
            return marker[0] if marker[1] == self._state else None
        _, ours, leaf = hierarchy.engine_group(one.pid).partition(self._group)
        return _instance_of(leaf.rpartition("@")[0]) if ours else None


def _instance_of(directory: str) -> str:
    """`chat-70b.0` is the directory of `chat-70b/0`."""
    service, _, number = directory.rpartition(".")
    return f"{service}/{number}" if number.isdigit() else directory


def held_by(gpus: Iterable[GpuReading]) -> dict[int, Held]:
    """By pid."""
    readings: dict[int, list[tuple[int, GpuProcess]]] = {}
    for gpu in gpus:
        for one in gpu.processes:
            readings.setdefault(one.pid, []).append((gpu.index, one))
    return {pid: _held(several) for pid, several in readings.items()}


def _held(several: Sequence[tuple[int, GpuProcess]]) -> Held:
    sizes = [one.memory_mib for _, one in several if one.memory_mib is not None]
    shares = [one.busy_ratio for _, one in several if one.busy_ratio is not None]
    first = several[0][1]
    return Held(
        gpus=tuple(sorted({index for index, _ in several})),
        memory_mib=sum(sizes) if sizes else None,
        busy_ratio=max(shares) if shares else None,
        name=first.name,
        user=first.user,
        instance=first.instance,
    )


def _described(
    pid: int, one: tree.Stat | None, held: Held | None, instance: str | None, living: Mapping[str, int]
) -> NodeProcess:
    """A process that only a GPU reading speaks of may be of another pid namespace: then `one` is None."""
    said = held.instance if held else None
    kind = _kind(one, instance, living) if one else ProcessKind.FOREIGN
    if instance is None and said in living:
        kind = ProcessKind.OURS  # a worker that lost its mark, known by its descent
    return NodeProcess(
        pid=pid,
        start_ticks=one.start_ticks if one else None,
        kind=kind,
        name=(held.name if held else "") or (whois.name(pid) if one else ""),
        user=(held.user if held else "") or (whois.user(pid) if one else ""),
        instance=instance or said,
        age_s=whois.age_s(one) if one else None,
        gpus=held.gpus if held else (),
        memory_mib=held.memory_mib if held else None,
        busy_ratio=held.busy_ratio if held else None,
        container=whois.container(pid) if one else "",
    )


def _kind(one: tree.Stat, instance: str | None, living: Mapping[str, int]) -> ProcessKind:
    """What began before the engine that runs is of an earlier one."""
    if instance is None:
        return ProcessKind.FOREIGN
    since_ticks = living.get(instance)
    return ProcessKind.OURS if since_ticks is not None and one.start_ticks >= since_ticks else ProcessKind.ORPHAN
