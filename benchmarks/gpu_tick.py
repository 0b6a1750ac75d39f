"""What one look a second at 8 GPUs with 16 processes costs: gpuyard's reader beside other monitors, all unmodified.

They run at the same time on the fake NVIDIA driver, so the driver's own time is the same small one for all.
nvitop also paints a screen and gpustat prints lines; the exporter only reads, as ours does.
"""

import contextlib
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.fakes.nvml.machine import machine
from tests.peers.installed import NotInstalled, python_peers

WARM_S = 4
TICKS = 10
PERIOD_S = 1.0
EXPORTER_PORT = 18971


def main() -> None:
    with machine() as driver, ExitStack() as running:
        pids = {name: running.enter_context(start(driver.env())) for name, start in programs().items()}
        costs = cpu_ms_per_tick(pids)
    ours = next(iter(costs.values()))
    for name, cost in costs.items():
        told = f"{cost:6.1f} ms of CPU a tick, {cost / (1000 * PERIOD_S):.2%} of a core"
        print(f"8 GPUs, 16 processes: {name:22}{told}   ratio {cost / ours:.1f}")


def programs() -> dict[str, Callable[[Mapping[str, str]], AbstractContextManager[int]]]:
    """Ours first. gpustat paints only where there is no terminal that it could question, nvitop only on one."""
    reader = partial(unseen, [sys.executable, "-m", "agents.gpus"])
    try:
        peers = python_peers()
    except NotInstalled as why:
        print(f"other GPU monitors are missing: {why}", file=sys.stderr)
        return {"gpuyard's GPU reader": reader}
    return {
        "gpuyard's GPU reader": reader,
        "gpustat, printing": partial(unseen, [str(peers / "gpustat"), "-i", "1"]),
        "nvitop-exporter": partial(unseen, [str(peers / "nvitop-exporter"), "--port", str(EXPORTER_PORT)]),
        "nvitop, on a screen": partial(on_screen, [str(peers / "nvitop"), "--interval", "1"]),
    }


@contextmanager
def unseen(argv: list[str], env: Mapping[str, str]) -> Iterator[int]:
    """The pid of `argv`, whose stdin stays open. Raises RuntimeError when it ended by itself."""
    null = subprocess.DEVNULL
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=null, stderr=null) as child, ended(child):
        yield child.pid


@contextmanager
def on_screen(argv: list[str], env: Mapping[str, str]) -> Iterator[int]:
    """The same on a terminal that nobody looks at."""
    ours, its = pty.openpty()
    terminal = {**env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    child = subprocess.Popen(argv, env=terminal, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    reading = threading.Thread(target=swallow, args=[ours])
    reading.start()
    with child, ended(child):
        yield child.pid
    reading.join()
    os.close(ours)


@contextmanager
def ended(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
        if child.poll() is not None:
            raise RuntimeError(f"{child.args!r} ended by itself with {child.returncode}")
    finally:
        child.kill()


def swallow(terminal: int) -> None:
    """Until its program is gone: a full terminal would hold it up."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


def cpu_ms_per_tick(pids: Mapping[str, int]) -> dict[str, float]:
    time.sleep(WARM_S)
    before = {name: cpu_ms(pid) for name, pid in pids.items()}
    time.sleep(TICKS * PERIOD_S)
    return {name: (cpu_ms(pid) - before[name]) / TICKS for name, pid in pids.items()}


def cpu_ms(pid: int) -> float:
    """Of all threads, as the scheduler counts it; finer than /proc/PID/stat."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


if __name__ == "__main__":
    main()
