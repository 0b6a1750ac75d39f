"""Which changes of GPUs become events, on readings of the simulated source whose processes come and go."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.events import EventLog
from agents.gpus.simulated import Simulated
from agents.sampling.gpuwatch import EVENTS_BURST, FOREIGN, THROTTLED, GpuWatch
from engines.simulated_device import CLAIMS_DIRECTORY, Claim, SimulatedGpu, claim_file, encode_claim, encode_devices
from profiles.observed.status import EventKind, GpuReading, GpuState


class Bench:
    """Two simulated GPUs, a clock that is told to pass, and what was told."""

    def __init__(self, directory: Path) -> None:
        self.now_s = 1000.0
        self.directory = directory
        (directory / CLAIMS_DIRECTORY).mkdir()
        gpus = [SimulatedGpu(uuid=f"g{at}", index=at, name="H100", memory_total_mib=81_000) for at in range(2)]
        (directory / "devices.json").write_bytes(encode_devices(gpus))
        self.source = Simulated(directory, clock=lambda: self.now_s, alive=lambda pid: True)
        self.events = EventLog(directory / "events.jsonl")
        self.watch = GpuWatch(self.events, clock=lambda: self.now_s)
        self.state = GpuState.OK

    def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 1.0
            self.watch.look([self.shown(gpu) for gpu in self.source.read().gpus])

    def shown(self, gpu: GpuReading) -> GpuReading:
        return replace(gpu, state=self.state, processes=()) if self.state is not GpuState.OK else gpu

    def claim(self, pid: int, demand: float = 0.5, **more: object) -> None:
        claim = Claim(pid=pid, name="whisper", user="bob", gpus={"g1": 2048}, demand_ratio=demand, **more)  # type: ignore[arg-type]
        (self.directory / claim_file(pid)).write_bytes(encode_claim(claim))

    def release(self, pid: int) -> None:
        (self.directory / claim_file(pid)).unlink()

    def told(self) -> list[tuple[str, str | None]]:
        found = [event for event in self.events.after(0, 999) if event.kind is EventKind.GPU]
        return [(event.text, event.gpu) for event in found]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_foreign_process_is_told_when_it_stays_and_when_it_is_gone(bench: Bench) -> None:
    bench.pass_s(3)
    bench.claim(41822)
    bench.claim(5, instance="chat/0")
    bench.pass_s(FOREIGN.begins_s + 2)
    assert bench.told() == [("gpu1 + foreign process whisper (bob, 41822, 2.0 GiB)", "g1")]
    bench.pass_s(100)
    bench.release(41822)
    bench.pass_s(FOREIGN.ends_s + 2)
    assert bench.told()[1:] == [("gpu1 − foreign process whisper (bob, 41822, 2.0 GiB)", "g1")]


def test_what_flickers_is_not_told(bench: Bench) -> None:
    bench.pass_s(3)
    bench.claim(1)
    bench.pass_s(1)
    bench.release(1)
    bench.pass_s(10)
    assert bench.told() == []
    bench.claim(1)
    bench.pass_s(10)
    for _ in range(5):
        bench.release(1)
        bench.pass_s(1)
        bench.claim(1)
        bench.pass_s(1)
    assert len(bench.told()) == 1


def test_what_was_there_when_the_agent_started_is_no_news(bench: Bench) -> None:
    bench.claim(1)
    bench.pass_s(10)
    assert bench.told() == []
    bench.release(1)
    bench.pass_s(10)
    assert [text for text, _ in bench.told()] == ["gpu1 − foreign process whisper (bob, 1, 2.0 GiB)"]


def test_throttling_is_told_once_and_hard_work_is_not(bench: Bench) -> None:
    bench.pass_s(3)
    bench.claim(1, demand=1.0, instance="chat/0")
    bench.pass_s(60)
    assert bench.told() == [], "at its power limit, which is what a busy GPU is"
    bench.claim(2, demand=1.5, instance="chat/1")
    bench.pass_s(120)
    assert bench.told() == [("gpu1 is throttled: sw_thermal", "g1")]
    bench.release(2)
    bench.release(1)
    bench.pass_s(60 + THROTTLED.ends_s)
    assert bench.told()[1:] == [("gpu1 is no longer throttled: sw_thermal", "g1")]


def test_a_gpu_is_lost_and_back_and_its_processes_are_not_said_to_have_left(bench: Bench) -> None:
    bench.claim(1)
    bench.pass_s(5)
    bench.state = GpuState.LOST
    bench.pass_s(60)
    assert [text for text, _ in bench.told()] == ["gpu0 is lost", "gpu1 is lost"]
    bench.state = GpuState.OK
    bench.pass_s(10)
    assert [text for text, _ in bench.told()][2:] == ["gpu0 is back", "gpu1 is back"]


def test_a_stale_reading_and_none_at_all_are_no_news(bench: Bench) -> None:
    bench.claim(1)
    bench.pass_s(5)
    bench.state = GpuState.STALE
    bench.pass_s(60)
    bench.watch.look([])
    bench.state = GpuState.OK
    bench.pass_s(5)
    assert bench.told() == []


def test_a_storm_is_bounded_and_counted(bench: Bench) -> None:
    bench.pass_s(2)
    for pid in range(100):
        bench.claim(pid)
    bench.pass_s(4)
    assert len(bench.told()) <= EVENTS_BURST + 1
    bench.pass_s(60)
    bench.claim(1000)
    bench.pass_s(5)
    texts = [text for text, _ in bench.told()]
    assert "80 changes of GPUs before this one were too many to be told" in texts
    assert texts[-1].startswith("gpu1 + foreign process whisper (bob, 1000")
