"""What a whole agent costs: 8 GPUs and 16 processes on the fake NVIDIA driver, 4 engines, one console that listens.

Other GPU monitors run beside it at the same time; they scrape no engines and keep no history.
"""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.gpu_tick import cpu_ms, programs
from profiles.observed.status import Phase
from tests.fakes.nvml.machine import machine
from tests.faults.node import FaultNode, node
from tests.faults.watcher import watching

ENGINES = ("a/0", "a/1", "b/0", "b/1")
WARM_S = 15
MEASURED_S = 30


def main() -> None:
    with machine() as driver, node(simulated=False) as one, ExitStack() as running:
        one.environ |= driver.env()
        peers = {
            name: running.enter_context(start(driver.env()))
            for name, start in list(programs().items())[1:]
            if "screen" not in name
        }
        asyncio.run(measure(one, peers))


async def measure(one: FaultNode, peers: dict[str, int]) -> None:
    one.start()
    async with watching(one.layout.socket) as watcher:
        await watcher.edit(lambda _: {name: one.spec(name) for name in ENGINES})
        for name in ENGINES:
            await watcher.until_phase(name, Phase.READY)
        await asyncio.sleep(WARM_S)
        assert one.agent is not None
        agent = psutil.Process(one.agent.pid)
        shims = [one.shim_of(pids[0]) for pids in one.engines().values()]
        groups = {
            "gpuyard-agent": [agent.pid, *(child.pid for child in agent.children())],
            **{name: [pid] for name, pid in peers.items()},
            "4 shims": shims,
        }
        began_s, before = time.monotonic(), spent(groups)
        await asyncio.sleep(MEASURED_S)
        passed_s, after = time.monotonic() - began_s, spent(groups)
    for name, pids in groups.items():
        ratio = (after[name] - before[name]) / 1e3 / passed_s
        print(f"8 GPUs, 16 processes, 4 engines: {name:20}{ratio:7.2%} of a core {pss_mib(pids):6.1f} MiB PSS")


def spent(groups: dict[str, list[int]]) -> dict[str, float]:
    return {name: sum(cpu_ms(pid) for pid in pids) for name, pids in groups.items()}


def pss_mib(pids: list[int]) -> float:
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
