"""What each monitor shows of a machine's GPUs, in one form: `nvitop -1`, `gpustat --json`, nvtop's screen, ours."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyte

from agents.gpus.source import Frame

LIMIT_S = 30.0
ROWS, COLUMNS = 40, 140


@dataclass
class Seen:
    """One GPU. Memory in MiB as the monitor means it, power in whole watts."""

    busy: int
    memory: float
    temperature: int
    power: int
    processes: dict[int, int] = field(default_factory=dict)


def first_frame(env: Mapping[str, str]) -> Frame:
    """What gpuyard's reader process says first."""
    command = [sys.executable, "-m", "agents.gpus"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        frame = msgspec.json.decode(child.stdout.readline(), type=Frame)
        child.stdin.close()
    return frame


def ours(env: Mapping[str, str]) -> list[Seen]:
    return [
        Seen(
            busy=round((gpu.busy_ratio or 0) * 100),
            memory=gpu.memory_used_mib or 0,
            temperature=round(gpu.temperature_c or 0),
            power=int(gpu.power_w or 0),
            processes={held.pid: held.memory_mib or 0 for held in gpu.processes},
        )
        for gpu in first_frame(env).gpus
    ]


def gpustat(program: Path, env: Mapping[str, str]) -> list[Seen]:
    told = json.loads(_output(program, "--json", env=env))
    return [
        Seen(
            busy=gpu["utilization.gpu"],
            memory=gpu["memory.used"],
            temperature=gpu["temperature.gpu"],
            power=gpu["power.draw"],
            processes={held["pid"]: held["gpu_memory_usage"] for held in gpu["processes"]},
        )
        for gpu in told["gpus"]
    ]


def nvitop(program: Path, env: Mapping[str, str]) -> list[Seen]:
    text = nvitop_text(program, env)
    row = re.compile(r"(\d+)C .*? (\d+)W / \d+W │ +([\d.]+\w+) / \S+ │ +(\d+)% ")
    found = [
        Seen(busy=int(busy), memory=mib(memory), temperature=int(heat), power=int(power))
        for heat, power, memory, busy in row.findall(text)
    ]
    for gpu, pid, memory in re.findall(r"│ +(\d+) +(\d+) [CGMX+]+ +\S+ +([\d.]+\w+) ", text):
        found[int(gpu)].processes[int(pid)] = round(mib(memory))
    return found


def nvitop_text(program: Path, env: Mapping[str, str]) -> str:
    return _output(program, "-1", env={**env, "LC_ALL": "C.UTF-8", "COLUMNS": "120"})


def nvtop(program: Path, env: Mapping[str, str], processes: int) -> list[Seen]:
    """Its memory counts reserved memory as used. Read once that many processes are on the screen."""
    with _screen(program, env) as screens:
        return next(
            found for found in map(_nvtop_seen, screens) if sum(len(gpu.processes) for gpu in found) == processes
        )


def _nvtop_seen(text: str) -> list[Seen]:
    heat = re.findall(r"TEMP +(\d+).*POW +(\d+) /", text)
    bars = re.findall(r"GPU\[[| ]*(\d+)%\] MEM\[[| ]*([\d.]+)Gi/", text)
    found = [
        Seen(busy=int(busy), memory=float(used) * 1024, temperature=int(degrees), power=int(watts))
        for (degrees, watts), (busy, used) in zip(heat, bars, strict=False)
    ]
    for pid, gpu, memory in re.findall(r"^ *(\d+) +\S+ +(\d+) +Compute .*? (\d+)MiB ", text, re.MULTILINE):
        if int(gpu) < len(found):
            found[int(gpu)].processes[int(pid)] = int(memory)
    return found


@contextmanager
def _screen(program: Path, env: Mapping[str, str]) -> Iterator[Iterator[str]]:
    """A program on a terminal: what stands there after each painting, until it leaves or the limit is over."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    terminal = {**env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    child = subprocess.Popen([program], env=terminal, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    try:
        yield _paintings(ours)
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def _paintings(terminal: int) -> Iterator[str]:
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        if select.select([terminal], [], [], 0.2)[0]:
            stream.feed(os.read(terminal, 65536))
            yield "\n".join(screen.display)
    raise AssertionError(f"not on the screen within {LIMIT_S:.0f} s:\n" + "\n".join(screen.display))


def mib(text: str) -> float:
    """`5000MiB`, `79.65GiB`, `0B`."""
    units = {"B": 1 / (1024 * 1024), "KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]
    return float(number) * units[unit]


def _output(program: Path, *arguments: str, env: Mapping[str, str]) -> str:
    done = subprocess.run([program, *arguments], env=env, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return done.stdout
