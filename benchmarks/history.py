"""What remembering costs an agent: eight GPUs, sixteen processes, four engines whose histograms are a real vLLM's.

python -m benchmarks.history
"""

import asyncio
import tempfile
import time
import tracemalloc
from pathlib import Path

from agents import wire
from agents.board import Board
from agents.events import EventLog
from agents.past.history import History
from agents.past.recall import recall
from engines import registry
from engines.base import EngineSample, Histogram
from profiles.observed.history import HistoryKind
from profiles.observed.status import (
    EngineReading,
    GpuProcess,
    GpuReading,
    GpuSource,
    GpuSourceKind,
    HostReading,
    InstanceStatus,
    Phase,
)

PAGE = Path(__file__).parents[1] / "tests" / "engines" / "fixtures" / "vllm-0.32.0" / "metrics_under_load.txt"
DAY_S = 86_400
QUARTER_S = 900


class Rig:
    """A board that moves, and a clock that is told to."""

    def __init__(self, directory: Path) -> None:
        self.boot_s = 1000.5
        self.board = Board(
            hostname="h", agent_version="0", boot_id="b", host=HostReading(cores=1, memory_total_mib=9),
            gpu_source=GpuSource(GpuSourceKind.SIMULATED), wall=self.wall,
        )  # fmt: skip
        self.sample = registry.get("vllm").sample(PAGE.read_text())
        self.history = History(
            directory / "history", self.board, EventLog(directory / "events.jsonl"),
            clock=lambda: self.boot_s, wall=self.wall,
        )  # fmt: skip

    def wall(self) -> float:
        return 1.7e9 + self.boot_s

    def show(self) -> None:
        at = int(self.boot_s)
        self.board.set_host(HostReading(cores=64, memory_total_mib=1 << 20, cpu_ratio=at % 97 / 97, memory_used_mib=at))
        self.board.set_gpus([_gpu(index, at) for index in range(8)])
        for index in range(4):
            self.board.set_instance(_instance(index, self.wall()))
            if at % 2:
                self.history.scraped(f"chat/{index}", 1, _grown(self.sample, at))


def _gpu(index: int, at: int) -> GpuReading:
    held = tuple(
        GpuProcess(pid=one, memory_mib=30_000 + at % 7, busy_ratio=0.4, instance=f"chat/{index % 4}" if one else None)
        for one in range(2)
    )
    return GpuReading(
        uuid=f"GPU-{index}-8ff4c1d0-0000-4000-8000-00000000000{index}", index=index, name="H100",
        memory_used_mib=60_000 + at % 13, busy_ratio=(at * 7 + index) % 1000 / 1000, power_w=300 + at % 3000 / 10,
        temperature_c=60 + at % 9, energy_mj=at * 300_000 + index, processes=held,
    )  # fmt: skip


def _instance(index: int, now_unix_s: float) -> InstanceStatus:
    reading = EngineReading(
        at_unix_s=now_unix_s, running=now_unix_s % 64, waiting=now_unix_s % 5, kv_usage_ratio=now_unix_s % 100 / 100,
        requests_per_s=12.125, failed_per_s=0.0, prompt_tok_s=5000.25, generation_tok_s=1800.75,
    )  # fmt: skip
    return InstanceStatus(
        name=f"chat/{index}", profile="p", revision=1, engine="vllm", model="m", phase=Phase.READY, since_unix_s=1.0,
        reading=reading,
    )  # fmt: skip


def _grown(sample: EngineSample, at: int) -> EngineSample:
    """Every bucket has counted on: nothing on disk is shorter than it would be."""

    def grown(one: Histogram | None) -> Histogram | None:
        return one and Histogram(one.bounds_s, tuple(at * (place + 1.0) for place in range(len(one.counts))), float(at))

    return EngineSample(ttft=grown(sample.ttft), itl=grown(sample.itl), e2e=grown(sample.e2e))


def run(rig: Rig, seconds: int) -> float:
    """CPU seconds of remembering alone."""
    spent = 0.0
    for _ in range(seconds):
        rig.boot_s += 1
        rig.show()
        began = time.process_time()
        rig.history.look()
        spent += time.process_time() - began
    return spent


async def ask(rig: Rig, ask: wire.ReadHistory) -> str:
    began, answers, size = time.process_time(), 0, 0
    while True:
        answer = await recall(rig.history, ask)
        answers, size = answers + 1, size + len(wire.encode(wire.Reply(id=1, body=answer)))
        if answer.next_from_unix_s is None:
            return f"{(time.process_time() - began) * 1e3:8.1f} ms   {size / 1024:,.0f} KiB in {answers} answers"
        ask = wire.ReadHistory(
            kind=ask.kind, names=ask.names, fields=ask.fields, from_unix_s=answer.next_from_unix_s, step_s=ask.step_s
        )


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        tracemalloc.start()
        rig = Rig(Path(name))
        run(rig, QUARTER_S)
        memory, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        spent = run(rig, QUARTER_S)
        print(f"history, CPU              {spent / QUARTER_S:8.2%} of a core")
        print(f"history, memory           {memory / 2**20:8.2f} MiB after a quarter of an hour")
        run(rig, DAY_S)
        sizes = [path.stat().st_size for path in (Path(name) / "history").iterdir()]
        print(f"history, a day on disk    {sum(sizes) / 2**20:8.1f} MiB in {len(sizes)} files")
        gpu = HistoryKind.GPU
        print("history, 15 min / 10 s   ", await ask(rig, wire.ReadHistory(kind=gpu, fields=("busy_ratio",))))
        one = wire.ReadHistory(kind=gpu, names=(_gpu(0, 0).uuid,), step_s=1.0)
        print("history, one GPU, 1 s    ", await ask(rig, one))
        latency = wire.ReadHistory(kind=HistoryKind.INSTANCE, names=("chat/0",), fields=("ttft", "itl", "e2e"))
        print("history, one's latency   ", await ask(rig, latency))
        print("history, a day of GPUs   ", await ask(rig, wire.ReadHistory(kind=gpu, last_s=float(DAY_S), step_s=60.0)))


if __name__ == "__main__":
    asyncio.run(main())
