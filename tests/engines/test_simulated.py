"""The simulated engine as a process: it serves, shares a GPU, runs out of memory, and misbehaves when told to."""

import fcntl
import json
import signal
import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engines.base import Progress
from engines.simulated_device import (
    DEVICES_FILE,
    LOCK_FILE,
    Claim,
    claim_file,
    decode_devices,
    encode_claim,
    encode_devices,
)
from tests.engines.simulated_process import ENGINE, Simulated, until, yard

Start = Callable[..., Simulated]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    engines: list[Simulated] = []

    def run(directory: Path | None = None, port: int = 0, **options: object) -> Simulated:
        engines.append(Simulated(tmp_path / f"log.{len(engines)}", directory, port, **options))
        return engines[-1]

    yield run
    for engine in engines:
        engine.close()


def keep_busy(engine: Simulated, requests: int = 1) -> None:
    """Long streams in the background; they end with the engine."""

    def read() -> None:
        try:
            for _ in engine.post("/v1/completions", {"prompt": "hello", "max_tokens": 4000, "stream": True}):
                pass
        except (OSError, ValueError):
            return  # the engine was killed under us, as the fixture does

    for _ in range(requests):
        threading.Thread(target=read, daemon=True).start()


def test_a_stream_and_its_metrics(start: Start) -> None:
    engine = start().ready()
    body = {"prompt": "x" * 40, "max_tokens": 9, "stream": True, "stream_options": {"include_usage": True}}
    lines = [line for line in engine.post("/v1/completions", body) if line]
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    text = "".join(choice["text"] for event in events for choice in event["choices"])
    assert len(text.split()) == 9
    assert events[-2]["choices"][0]["finish_reason"] == "length"
    assert events[-1]["usage"] == {"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19}
    sample = engine.sample()
    assert (sample.running, sample.waiting, sample.kv_usage_ratio) == (0, 0, 0)
    assert (sample.prompt_tokens, sample.generation_tokens, sample.requests_finished) == (10, 9, 1)
    assert sample.ttft is not None
    assert sample.itl is not None
    assert sample.e2e is not None
    assert sample.queue is not None
    assert (sample.ttft.count, sample.itl.count, sample.e2e.count, sample.queue.count) == (1, 8, 1, 1)
    assert all(getattr(sample, field) is None for field in ENGINE.absent)


def test_chat_models_and_version(start: Start) -> None:
    engine = start().ready()
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
    answer = json.loads("".join(engine.post("/v1/chat/completions", body)))
    assert len(answer["choices"][0]["message"]["content"].split()) == 3
    assert [model["id"] for model in json.loads(engine.get("/v1/models"))["data"]] == ["m"]
    assert "simulated" in json.loads(engine.get("/version"))["version"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/completions", {"model": "other"}, 404),
        ("/v1/completions", {"max_tokens": 10**6}, 400),
        ("/v1/completions", {"max_tokens": "many"}, 400),
        ("/v1/nothing", {}, 404),
    ],
)
def test_what_cannot_be_served_is_refused(start: Start, path: str, body: dict[str, object], status: int) -> None:
    engine = start().ready()
    with pytest.raises(urllib.error.HTTPError) as caught:
        list(engine.post(path, body))
    assert caught.value.code == status
    caught.value.close()
    assert engine.is_ready()


def test_a_client_that_leaves_is_forgotten(start: Start) -> None:
    engine = start().ready()
    stream = engine.post("/v1/completions", {"prompt": "hello", "max_tokens": 4000, "stream": True})
    next(stream)
    assert engine.sample().running == 1
    stream.close()  # type: ignore[attr-defined]
    until(lambda: engine.sample().running == 0, "aborted")


def test_loading_is_told_with_progress(start: Start) -> None:
    engine = start().ready()
    assert isinstance(ENGINE, Progress)
    told = [progress for line in engine.log.read_text().splitlines() if (progress := ENGINE.progress(line))]
    assert [progress.ratio for progress in told if progress.ratio is not None] == [0.25, 0.5, 0.75, 1.0]
    until(lambda: "Application startup complete" in engine.log.read_text(), "the last line")


def test_sigterm_lets_a_stream_finish(start: Start) -> None:
    engine = start().ready()
    stream = engine.post("/v1/completions", {"prompt": "hello", "max_tokens": 40, "stream": True})
    next(stream)
    engine.process.send_signal(signal.SIGTERM)
    assert list(stream)[-2:] == ["data: [DONE]", ""]
    assert engine.exit_code() == 0


def test_sigterm_while_loading_ends_it(start: Start) -> None:
    engine = start(load_seconds=60)
    until(lambda: "Starting to load" in engine.log.read_text() or "max model len" in engine.log.read_text(), "loading")
    engine.process.send_signal(signal.SIGTERM)
    assert engine.exit_code() == 0


def test_it_ends_when_its_gpu_falls_off_the_bus(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard")
    engine = start(directory).ready()
    gpus = decode_devices((directory / DEVICES_FILE).read_bytes())
    draft = directory / "devices.new"
    draft.write_bytes(encode_devices([replace(gpu, lost=True) for gpu in gpus]))
    draft.replace(directory / DEVICES_FILE)
    assert engine.exit_code() == 1
    assert "CUDA error: unspecified launch failure" in engine.log.read_text()


def test_a_claim_says_what_is_held_and_goes_with_the_engine(start: Start, tmp_path: Path) -> None:
    engine = start(yard(tmp_path / "yard")).ready()
    claim = engine.claim()
    assert claim is not None
    assert (claim.instance, claim.gpus, claim.pid) == ("chat/0", {"GPU-a": 2000}, engine.process.pid)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.exit_code() == 0
    assert engine.claim() is None


def test_two_busy_tenants_slow_each_other_down(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard")
    tenants = [start(directory).ready(), start(directory).ready()]
    keep_busy(tenants[0])
    until(lambda: (claim := tenants[0].claim()) is not None and claim.demand_ratio > 0.9, "the first is busy")
    assert tenants[0].slowdown_ratio() == 1
    keep_busy(tenants[1])
    until(lambda: all(tenant.slowdown_ratio() > 1.8 for tenant in tenants), "both are slow")
    tenants[1].close()
    until(lambda: tenants[0].slowdown_ratio() == 1, "the dead one does not count")


def test_a_full_gpu_fails_the_start(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard", memory_total_mib=3000)
    start(directory).ready()
    second = start(directory)
    assert second.exit_code() == 1
    assert "CUDA out of memory" in second.log.read_text()
    assert second.claim() is None


def test_a_share_of_the_gpu_is_taken_and_no_more(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard")
    engine = start(directory, gpu_memory_utilization=0.1, weights_mib=3000).ready()
    until(lambda: (claim := engine.claim()) is not None and claim.gpus == {"GPU-a": 8000}, "a tenth is held")
    greedy = start(directory, gpu_memory_utilization=0.95)
    until(lambda: greedy.process.poll() == 1, "it refuses to start")
    assert "(70.31/78.12 GiB) on startup is less than desired GPU memory utilization (0.95" in greedy.log.read_text()
    small = start(directory, gpu_memory_utilization=0.01)
    until(lambda: small.process.poll() == 1, "it refuses to start")
    assert "No available memory for the cache blocks" in small.log.read_text()


def test_the_dead_hold_nothing(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard", memory_total_mib=3000)
    dead = start(directory).ready()
    dead.close()
    claim = Claim(pid=dead.process.pid, name="dead", gpus={"GPU-a": 3000}, demand_ratio=1)
    (directory / claim_file(claim.pid)).write_bytes(encode_claim(claim))
    assert start(directory).ready().slowdown_ratio() == 1


def test_a_gpu_that_is_not_there_fails_the_start(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard")
    (directory / "devices.json").write_text("[]")
    engine = start(directory)
    assert engine.exit_code() == 1
    assert "GPU-a" in engine.log.read_text()


def test_an_engine_goes_when_its_demo_is_gone(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard")
    with (directory / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = start(directory).ready()
        first = engine.claim()
        assert first is not None
        path = directory / claim_file(first.pid)
        written = path.stat().st_mtime_ns
        until(lambda: path.stat().st_mtime_ns > written, "it looked and went on")
        assert engine.process.poll() is None
    assert engine.exit_code() == 1


def test_a_hang_answers_health_and_makes_no_token(start: Start) -> None:
    engine = start(hang_after=0.1).ready()
    keep_busy(engine)
    until(lambda: "hang" in engine.log.read_text(), "it hangs")
    made = engine.sample().generation_tokens
    keep_busy(engine)
    until(lambda: engine.sample().waiting == 1 or engine.sample().running == 2, "the request is held")
    assert engine.sample().generation_tokens == made
    assert engine.is_ready()


def test_a_crash_is_an_exit_of_one(start: Start) -> None:
    engine = start(crash_after=0.1)
    assert engine.exit_code() == 1
    assert "CUDA error" in engine.log.read_text()


def test_a_leak_ends_out_of_memory(start: Start, tmp_path: Path) -> None:
    engine = start(yard(tmp_path / "yard", memory_total_mib=2500), leak_mib_per_s=400)
    assert engine.exit_code() == 1
    assert "OutOfMemoryError" in engine.log.read_text()


def test_sigterm_can_be_ignored(start: Start) -> None:
    engine = start(ignore_sigterm=True).ready()
    engine.process.send_signal(signal.SIGTERM)
    until(lambda: "ignoring SIGTERM" in engine.log.read_text(), "it was told")
    assert engine.is_ready()


def test_a_taken_port_fails_the_start(start: Start) -> None:
    second = start(port=start().ready().port)
    assert second.exit_code() == 1
    assert "address already in use" in second.log.read_text()


def test_it_sleeps_gives_its_memory_back_and_wakes(start: Start, tmp_path: Path) -> None:
    engine = start(yard(tmp_path / "yard")).ready()
    keep_busy(engine)
    until(lambda: engine.sample().running == 1, "it runs")
    engine.call("/sleep?level=1&mode=abort")
    assert json.loads(engine.get("/is_sleeping")) == {"is_sleeping": True}
    assert (claim := engine.claim()) is not None
    assert claim.gpus == {"GPU-a": 0}
    assert engine.sample().running == 0
    engine.call("/wake_up")
    assert (claim := engine.claim()) is not None
    assert claim.gpus == {"GPU-a": 2000}
    assert list(engine.post("/v1/completions", {"prompt": "hello", "max_tokens": 3}))


def test_it_sleeps_on_where_others_took_its_memory(start: Start, tmp_path: Path) -> None:
    directory = yard(tmp_path / "yard", memory_total_mib=3000)
    engine = start(directory).ready()
    engine.call("/sleep")
    start(directory).ready()
    with pytest.raises(urllib.error.HTTPError, match="500"):
        engine.call("/wake_up")
    assert json.loads(engine.get("/is_sleeping")) == {"is_sleeping": True}


def test_lora_adapters_come_and_go(start: Start) -> None:
    engine = start(enable_lora=True, lora_modules=["a=/l/a"]).ready()
    engine.call("/v1/load_lora_adapter", {"lora_name": "b", "lora_path": "/l/b"})
    engine.call("/v1/unload_lora_adapter", {"lora_name": "a"})
    assert [model["id"] for model in json.loads(engine.get("/v1/models"))["data"]] == ["m", "b"]
    assert list(engine.post("/v1/completions", {"model": "b", "prompt": "hello", "max_tokens": 3}))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        engine.call("/v1/load_lora_adapter", {"lora_name": "c", "lora_path": "/l/missing"})
