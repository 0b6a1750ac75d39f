"""Starts simulated engines for real, as the agent would."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from engines import registry
from engines.base import EngineSample, Launch
from engines.devices import Slice
from engines.options import options_for
from engines.prometheus import Page
from engines.simulated_device import (
    CLAIMS_DIRECTORY,
    DEVICES_FILE,
    DIRECTORY_VARIABLE,
    Claim,
    SimulatedGpu,
    claim_file,
    decode_claim,
    encode_devices,
)

ENGINE = registry.get("simulated")
LIMIT_S = 20.0
FAST: dict[str, object] = {"load_seconds": 0.1, "weights_mib": 1000, "kv_cache_mib": 1000}


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.02)


def yard(path: Path, memory_total_mib: int = 80_000) -> Path:
    """A simulated device directory with one GPU, `GPU-a`."""
    gpu = SimulatedGpu(uuid="GPU-a", index=0, name="Simulated", memory_total_mib=memory_total_mib)
    (path / CLAIMS_DIRECTORY).mkdir(parents=True)
    (path / DEVICES_FILE).write_bytes(encode_devices([gpu]))
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Simulated:
    """One process. With a directory it runs on `GPU-a`."""

    def __init__(self, log: Path, directory: Path | None = None, port: int = 0, **options: object) -> None:
        self.port = port or free_port()
        self.log = log
        self._directory = directory
        slices = (Slice(gpu_uuid="GPU-a", gpu_index=0),) if directory else ()
        typed = options_for(ENGINE, {**FAST, **options})
        command = ENGINE.command(
            Launch(instance="chat/0", model="m", served_name="m", port=self.port, options=typed, slices=slices)
        )
        env = {"PATH": os.defpath, **command.env}
        if directory:
            env[DIRECTORY_VARIABLE] = str(directory)
        with log.open("wb") as output:
            self.process = subprocess.Popen(command.argv, env=env, stdout=output, stderr=subprocess.STDOUT)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LIMIT_S) as answer:
            text: str = answer.read().decode()
            return text

    def post(self, path: str, body: dict[str, object]) -> Iterator[str]:
        """The answer, line by line as it comes."""
        data = json.dumps({"model": "m", **body}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            for line in answer:
                yield line.decode().rstrip("\n")

    def call(self, path: str, body: dict[str, object] | None = None) -> None:
        """A POST that is answered with 200. Raises HTTPError."""
        data = json.dumps(body or {}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=LIMIT_S) as answer:
            answer.read()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.get("/health")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def ready(self) -> "Simulated":
        until(self.is_ready, "ready")
        return self

    def sample(self) -> EngineSample:
        return ENGINE.sample(self.get("/metrics"))

    def slowdown_ratio(self) -> float:
        ratio = Page(self.get("/metrics"), ["simulated:slowdown_ratio"]).total("simulated:slowdown_ratio")
        assert ratio is not None
        return ratio

    def claim(self) -> Claim | None:
        assert self._directory
        try:
            return decode_claim((self._directory / claim_file(self.process.pid)).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def exit_code(self) -> int:
        return self.process.wait(LIMIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT_S)
