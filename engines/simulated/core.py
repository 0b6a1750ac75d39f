"""The part of the engine that runs by itself: it steps the batch, and keeps its claim and its misbehaviour."""

import asyncio
import os
import sys
import time

from engines.simulated.batch import Batch, Sequence
from engines.simulated.counters import Counters
from engines.simulated.device import Device, OutOfMemory
from engines.simulated.loading import say
from engines.simulated.settings import Settings
from engines.simulated_device import CLAIM_PERIOD_S


class Core:
    """The batch in real time, slowed by the neighbours on its GPUs."""

    def __init__(self, settings: Settings, device: Device) -> None:
        self._settings = settings
        self._device = device
        self._arrival = asyncio.Event()
        self._busy_s = 0.0
        self._step_began_s: float | None = None
        self._hung = False
        self.asleep = False
        self.counters = Counters()
        self.batch = Batch(settings, self.counters)
        self.slowdown_ratio = 1.0 / device.confined.compute_ratio

    def submit(self, sequence: Sequence) -> None:
        self.batch.submit(sequence, time.monotonic())
        self._arrival.set()

    def sleep(self) -> None:
        """Cut off what runs and give the memory back; requests that come meanwhile wait."""
        if self.asleep:
            return
        self.asleep = True
        for sequence in [*self.batch.running, *self.batch.waiting]:
            self.batch.abort(sequence)
            sequence.deliver(0, True)
        self._device.let_go()

    def wake(self) -> None:
        """Raises OutOfMemory, and sleeps on."""
        if self.asleep:
            self._device.take_again()
            self.asleep = False
            self._arrival.set()

    def page(self) -> str:
        return self.counters.page(
            self._settings.name,
            {
                "vllm:num_requests_running": len(self.batch.running),
                "vllm:num_requests_waiting": len(self.batch.waiting),
                "vllm:kv_cache_usage_perc": self.batch.kv_usage_ratio,
                "simulated:slowdown_ratio": self.slowdown_ratio,
            },
        )

    async def step_forever(self) -> None:
        while True:
            step = None if self._hung or self.asleep else self.batch.plan(time.monotonic())
            if step is None:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            began_s = self._step_began_s = time.monotonic()
            took_s = step.duration_s * self.slowdown_ratio
            await asyncio.sleep(took_s)
            now_s = time.monotonic()
            self._busy_s += now_s - max(began_s, self._step_began_s)
            self._step_began_s = None
            if not self._hung:
                self.batch.finish(step, took_s, now_s)

    async def live_forever(self) -> None:
        """Twice a second: claim, look at the neighbours, and misbehave when it is time to."""
        ready_s = last_s = time.monotonic()
        while True:
            await asyncio.sleep(CLAIM_PERIOD_S)
            now_s = time.monotonic()
            self._keep_place(now_s, now_s - last_s)
            hangs = _due(self._settings.hang_after, now_s - ready_s) or self._device.hung()
            if not self._hung and hangs:
                self._hung = True
                say("simulated: the engine hangs from here on")
            if _due(self._settings.crash_after, now_s - ready_s):
                self._device.confined.fault()
                self._die("RuntimeError: CUDA error: an illegal memory access was encountered")
            last_s = now_s

    def _keep_place(self, now_s: float, elapsed_s: float) -> None:
        if self._device.confined.broken():
            self._die("CUDA error: the remote procedural call between the MPS server and the MPS client failed")
        if self._device.abandoned():
            self._die("the demo that this engine belonged to is gone")
        if self._device.lost():
            self._die("RuntimeError: CUDA error: unspecified launch failure")
        try:
            if not self.asleep:
                self._device.allocate(self._settings.leak_mib_per_s * elapsed_s)
        except OutOfMemory as error:
            self._die(f"torch.OutOfMemoryError: {error}")
        if self._step_began_s is not None:
            self._busy_s += now_s - self._step_began_s
            self._step_began_s = now_s
        busy_ratio = min(1.0, self._busy_s / elapsed_s)
        self._busy_s = 0.0
        self._device.publish(busy_ratio)
        if busy_ratio:
            self.slowdown_ratio = self._device.slowdown_ratio(busy_ratio)
        else:
            self.slowdown_ratio = 1.0 / self._device.confined.compute_ratio

    def _die(self, reason: str) -> None:
        """Exit 1 at once, streams cut, as an engine process does."""
        print(f"(EngineCore pid={os.getpid()}) ERROR {reason}", flush=True)
        self._device.withdraw()
        sys.stdout.flush()
        os._exit(1)


def _due(after_s: float | None, passed_s: float) -> bool:
    return after_s is not None and passed_s >= after_s
