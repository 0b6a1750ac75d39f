"""Print the figures that need no terminal: commands, plan, frames, GPU reading, agent, recovery. Nothing is asserted.

Each line is one figure with the floor or the peer measured in the same run.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from agents.framing import FrameReader, encode
from agents.wire import Delta
from benchmarks import agent_cost, gateway, gpu_tick, install, plan, recovery, tune
from profiles.observed.status import HostReading


def median_ms(work: Callable[[], object], runs: int = 9) -> float:
    """Median wall time of `work`, after one run that is not counted."""
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def command(*argv: str) -> Callable[[], object]:
    return lambda: subprocess.run(argv, check=True, capture_output=True)


def split_frames() -> object:
    frame = encode(Delta(at_unix_s=1.0, host=HostReading(cores=64, memory_total_mib=1 << 20)))
    return FrameReader(preamble=False).feed(frame * 1000)


def main() -> None:
    python = sys.executable
    floor = median_ms(command(python, "-c", "pass"))
    version = median_ms(command(python, "-m", "console", "--version"))
    print(f"gpuyard --version         {version:8.1f} ms   bare Python {floor:.1f} ms   ratio {version / floor:.2f}")
    print(f"1,000 frames in           {median_ms(split_frames):8.1f} ms")
    plan.main()
    tune.main()
    install.main()
    gpu_tick.main()
    recovery.main()
    gateway.main()
    agent_cost.main()


if __name__ == "__main__":
    main()
