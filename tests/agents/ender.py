"""Run as root: becomes nobody, and then ends a process as an agent of his would.

ender.py PROGRAM PID START_TICKS    prints "gone", or the refusal
"""

import asyncio
import encodings.idna
import locale
import os
import signal
import subprocess
import sys
from pathlib import Path

from agents.board import Board
from agents.errors import Refused
from agents.events import EventLog
from agents.privilege.child import RootChild
from agents.privilege.ways import Host
from agents.processes import tree
from agents.processes.survey import Survey
from agents.processes.terminating import Terminator
from agents.redaction import Redactor
from profiles.observed.processes import ProcessKind
from profiles.observed.status import GpuProcess, GpuReading, GpuSource, GpuSourceKind, HostReading

USED_LATER = (encodings.idna, locale, signal, subprocess)
"""The interpreter may lie where nobody cannot go."""


async def terminate(program: Path, pid: int, start_ticks: int, events: EventLog) -> str:
    board = Board(
        hostname="h", agent_version="0", boot_id=tree.boot_id(), host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.NVML),
    )  # fmt: skip
    board.set_gpus([GpuReading(uuid="GPU-0", index=0, name="x", processes=(GpuProcess(pid=pid),))])
    survey = Survey(Path("/nowhere"), board, dict, lambda: Redactor({}))
    privileged = RootChild(lambda what, author: lambda result, text: None, Host(program=program))
    try:
        await Terminator(survey, events, privileged).terminate(pid, start_ticks, ProcessKind.FOREIGN, "ann")
    except Refused as refused:
        return f"{refused.code}: {refused}"
    return "gone"


if __name__ == "__main__":
    program, pid, start_ticks, kept = sys.argv[1:]
    events = EventLog(Path(kept))
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    print(asyncio.run(terminate(Path(program), int(pid), int(start_ticks), events)))
