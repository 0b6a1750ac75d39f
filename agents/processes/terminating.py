"""The end of one process, as an admin agreed to it: whatever holds a GPU, and whatever an instance left behind.

the same process, still of that kind? ──► SIGTERM ──► 5 s ──► SIGKILL ──► 10 s ──► gone, or Refused
                                             └── not ours to signal: as root, or the right that is missing
"""

import asyncio
import os
import signal
from pathlib import Path

from agents.errors import Refused
from agents.events import EventLog
from agents.privilege.answers import Failed, Missing
from agents.privilege.calls import Ending, SignalProcess
from agents.privilege.privileged import Privileged
from agents.processes import tree
from agents.processes.isolation import hierarchy
from agents.processes.process import KILL_LIMIT_S
from agents.processes.survey import Survey
from profiles.observed.processes import NodeProcess, ProcessKind
from profiles.observed.status import EventKind

GRACE_S = 5.0
_STEPS = ((signal.SIGTERM, Ending.TERM, GRACE_S), (signal.SIGKILL, Ending.KILL, KILL_LIMIT_S))


class Terminator:
    """Knows no process but those that the survey lists; the agent itself and its children are never among them."""

    def __init__(self, survey: Survey, events: EventLog, privileged: Privileged) -> None:
        self._survey = survey
        self._events = events
        self._privileged = privileged

    async def terminate(self, pid: int, start_ticks: int, kind: ProcessKind, author: str) -> str:
        """Ask, wait, kill; who it was, in a sentence. `kind` is what somebody took it for.

        Raises Refused, also when SIGKILL does not end it.
        """
        described, one = self._find(pid, start_ticks, kind)
        group = hierarchy.engine_group(pid) if kind is ProcessKind.ORPHAN else ""
        if not await self._end(one, described, author):
            hint = "it waits in the kernel, most often for a GPU: see `dmesg`, the node may need a reboot"
            raise Refused("unavailable", f"process {pid} survived SIGKILL", hint)
        if group:
            hierarchy.leave(Path(group))
        who = f"{described.name or 'unknown'} ({described.user or 'unknown user'}, {pid})"
        text = f"{kind} process {who} was terminated"
        self._events.append(EventKind.EXIT, text, instance=described.instance, author=author, code="terminated")
        return text

    def _find(self, pid: int, start_ticks: int, kind: ProcessKind) -> tuple[NodeProcess, tree.Stat]:
        """Raises Refused."""
        one, described = tree.stat(pid), self._survey.one(pid, start_ticks)
        if one is None or one.zombie or one.start_ticks != start_ticks:
            raise Refused("not_found", f"there is no process {pid} that began then", "list the processes again")
        if os.getpid() in (pid, one.parent):
            raise Refused("invalid", f"process {pid} is of the agent itself", "`gpuyard node upgrade` restarts it")
        if described is None:
            text = f"process {pid} holds no GPU and is of no instance here"
            raise Refused("invalid", text, "end it on the host, if you may")
        if described.kind is not kind:
            whose = f" of {described.instance}" if described.instance else ""
            text = f"process {pid} is {described.kind}{whose} now, not {kind}"
            raise Refused("stale", text, "list the processes again")
        return described, one

    async def _end(self, one: tree.Stat, described: NodeProcess, author: str) -> bool:
        """Whether it is gone. Raises Refused where nobody here may signal it."""
        clock = asyncio.get_running_loop()
        for number, ending, limit_s in _STEPS:
            try:
                for signalled in (number, signal.SIGCONT):
                    tree.send(one, signalled)
            except PermissionError:
                await self._signal_as_root(one, ending, described, author)
            deadline = clock.time() + limit_s
            while tree.lives(one):
                if clock.time() > deadline:
                    break
                await asyncio.sleep(0.02)
            else:
                return True
        return False

    async def _signal_as_root(self, one: tree.Stat, ending: Ending, described: NodeProcess, author: str) -> None:
        """Raises Refused."""
        call = SignalProcess(pid=one.pid, start_ticks=one.start_ticks, to=ending)
        whose = f"process {one.pid} is {described.user or 'another user'}'s"
        match await self._privileged.do(call, author):
            case Missing() as missing:
                raise Refused("denied", f"{whose}: {missing.reason.text}", missing.reason.hint)
            case Failed(text=text) if tree.lives(one):
                raise Refused(
                    "unavailable", f"{whose}, and could not be signalled as root: {text}", "see the node's log"
                )
