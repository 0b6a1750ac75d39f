"""Seeded worlds for verdicts: a quarter of an hour of an instance on a GPU, and what befalls it at a known second.

What is drawn is what an engine and a driver would tell: noisy rates, latencies that follow load late, counts of whole
requests. Nothing here knows the rules that judge it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import sin, tau

from profiles.explain.cause import Code
from profiles.explain.evidence import Axis, Evidence, Happened, Happening, Tenant
from profiles.observed.status import Phase

STEPS = 900
START_UNIX_S = 1_700_000_000.0
SUBJECT = "chat/0"


@dataclass
class World:
    """`code` None is a calm one. `at` is the step in which it begins."""

    seed: int
    code: Code | None
    at: int
    rng: random.Random
    own: dict[str, list[float | None]] = field(default_factory=dict)
    gpu: dict[str, list[float | None]] = field(default_factory=dict)
    host: dict[str, list[float | None]] = field(default_factory=dict)
    tenants: list[Tenant] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    phases: list[Phase | None] = field(default_factory=list)
    max_running: float = 64.0

    @property
    def at_unix_s(self) -> float:
        return START_UNIX_S + self.at

    def evidence(self) -> Evidence:
        return Evidence(
            subject=SUBJECT, axis=Axis(START_UNIX_S, 1.0, STEPS), targets_s={"ttft_p95_s": 0.8},
            own={name: tuple(track) for name, track in self.own.items()},
            gpu={name: tuple(track) for name, track in self.gpu.items()},
            host={name: tuple(track) for name, track in self.host.items()},
            tenants=tuple(self.tenants), happened=tuple(self.happened), phases=tuple(self.phases),
            max_running=self.max_running,
        )  # fmt: skip

    def noisy(self, level: float, spread: float = 0.08) -> list[float | None]:
        """Around `level`, never below zero, with a few scrapes missed."""
        return [None if self.rng.random() < 0.01 else max(0.0, self.rng.gauss(level, level * spread + 1e-6))
                for _ in range(STEPS)]  # fmt: skip

    def turn(self, track: list[float | None], factor: float, late: int = 0, least: float = 0.0) -> None:
        """From the onset on, and `late` seconds more, `factor` times as much."""
        for step in range(self.at + late, STEPS):
            value = track[step]
            if value is not None:
                track[step] = max(least, value * factor)

    def swing(self, *names: str) -> None:
        """All traffic goes up and down by as much as a third, in minutes."""
        height, period_s, phase = self.rng.uniform(0, 0.3), self.rng.uniform(120, 1200), self.rng.uniform(0, tau)
        for name in names:
            self.own[name] = [
                None if value is None else value * (1 + height * sin(tau * step / period_s + phase))
                for step, value in enumerate(self.own[name])
            ]

    def slow(self, factor: float, late: int = 4) -> None:
        """Its requests take longer: what is measured over a window of a minute rises within some seconds."""
        self.turn(self.own["ttft_p95_s"], factor, late)
        self.turn(self.own["itl_p95_s"], factor**0.5, late)


def world(seed: int, code: Code | None) -> World:
    rng = random.Random(seed)
    made = World(seed, code, rng.randint(240, 780), rng)
    rate = rng.uniform(3, 30)
    made.own = {
        "requests_per_s": made.noisy(rate), "prompt_tok_s": made.noisy(rate * rng.uniform(200, 900)),
        "generation_tok_s": made.noisy(rate * 120), "running": made.noisy(rng.uniform(4, 20)),
        "waiting": made.noisy(0.5, 1),
        "kv_usage_ratio": made.noisy(rng.uniform(0.2, 0.6), 0.05), "failed_per_s": [0.0] * STEPS,
        "preempted_per_s": [0.0] * STEPS, "ttft_p95_s": made.noisy(rng.uniform(0.15, 0.4), 0.12),
        "itl_p95_s": made.noisy(0.04), "busy_ratio": made.noisy(rng.uniform(0.5, 0.9), 0.05),
    }  # fmt: skip
    made.swing("requests_per_s", "prompt_tok_s", "generation_tok_s", "running")
    made.gpu = {
        "busy_ratio": [min(1.0, v) if v is not None else None for v in made.own["busy_ratio"]],
        "throttled_ratio": [0.0] * STEPS, "temperature_c": made.noisy(60, 0.02),
    }  # fmt: skip
    made.host = {"cpu_ratio": made.noisy(rng.uniform(0.1, 0.5))}
    made.phases = [Phase.READY] * STEPS
    if rng.random() < 0.5:
        made.tenants.append(Tenant(name="embed/0", owner="search", foreign=False, busy=tuple(made.noisy(0.1)),
                                   memory_mib=(2000.0,) * STEPS))  # fmt: skip
    if code is not None:
        BEFALLS[code](made)
    return made


def _foreign(world: World) -> None:
    share = world.rng.uniform(0.3, 0.6)
    busy = [0.0] * world.at + [share + world.rng.gauss(0, 0.03) for _ in range(STEPS - world.at)]
    memory = (0.0,) * world.at + (30_000.0,) * (STEPS - world.at)
    world.tenants.append(Tenant(name="whisper", owner="bob", foreign=True, busy=tuple(busy), memory_mib=memory,
                                since_unix_s=world.at_unix_s))  # fmt: skip
    world.turn(world.own["busy_ratio"], 0.5)
    world.turn(world.gpu["busy_ratio"], 1.0, least=0.97)
    world.slow(world.rng.uniform(4, 10))


def _ours(world: World) -> None:
    busy: list[float | None] = list(world.noisy(0.1))
    for step in range(world.at, STEPS):
        busy[step] = 0.5 + world.rng.gauss(0, 0.03)
    world.tenants = [
        Tenant(name="batch/0", owner="research", foreign=False, busy=tuple(busy), memory_mib=(9e3,) * STEPS)
    ]
    world.turn(world.own["busy_ratio"], 0.55)
    world.turn(world.gpu["busy_ratio"], 1.0, least=0.97)
    world.slow(world.rng.uniform(4, 8))


def _traffic(world: World) -> None:
    factor = world.rng.uniform(2, 4)
    for name in ("requests_per_s", "prompt_tok_s"):
        world.turn(world.own[name], factor)
    world.turn(world.own["running"], 3, late=2)
    world.turn(world.own["waiting"], 30, late=3, least=5)
    world.turn(world.own["kv_usage_ratio"], 1.5, late=3)
    world.turn(world.gpu["busy_ratio"], 1.3)
    world.slow(world.rng.uniform(4, 12), late=5)


def _prefill(world: World) -> None:
    world.turn(world.own["prompt_tok_s"], world.rng.uniform(3, 8))
    world.turn(world.gpu["busy_ratio"], 1.3)
    world.slow(world.rng.uniform(4, 8), late=3)


def _kv(world: World) -> None:
    world.turn(world.own["kv_usage_ratio"], 10, least=0.98)
    world.own["kv_usage_ratio"] = [None if v is None else min(1.0, v) for v in world.own["kv_usage_ratio"]]
    world.own["preempted_per_s"][world.at :] = [world.rng.uniform(0.5, 3) for _ in range(STEPS - world.at)]
    world.turn(world.own["waiting"], 20, late=2, least=4)
    world.slow(world.rng.uniform(4, 8))


def _batch(world: World) -> None:
    world.max_running = 8.0
    world.own["running"] = [8.0 if step >= world.at else world.rng.uniform(2, 5) for step in range(STEPS)]
    world.turn(world.own["waiting"], 20, late=1, least=4)
    world.own["busy_ratio"] = world.noisy(0.5, 0.05)
    world.gpu["busy_ratio"] = list(world.own["busy_ratio"])
    world.slow(world.rng.uniform(4, 8))


def _throttle(world: World) -> None:
    world.gpu["throttled_ratio"][world.at :] = [world.rng.uniform(0.6, 0.95) for _ in range(STEPS - world.at)]
    world.turn(world.gpu["temperature_c"], 1.4)
    world.turn(world.own["generation_tok_s"], 0.6)
    world.slow(world.rng.uniform(3, 6))


def _failing(world: World) -> None:
    text = "XID 79: the GPU has fallen off the bus"
    world.happened.append(Happening(at_unix_s=world.at_unix_s, kind=Happened.XID, text=text, about="GPU 2"))
    for step in range(world.at + 2, STEPS):
        world.phases[step] = Phase.FAILED
        for track in world.own.values():
            track[step] = None


def _hung(world: World) -> None:
    for step in range(world.at, STEPS):
        world.own["generation_tok_s"][step] = world.own["prompt_tok_s"][step] = world.own["requests_per_s"][step] = 0.0
        world.own["running"][step] = 12.0
        world.own["ttft_p95_s"][step] = None
        if step > world.at + 30:
            world.phases[step] = Phase.STALLED


def _change(world: World) -> None:
    text = "max_num_seqs 64 → 4"
    begin = world.at_unix_s - world.rng.uniform(2, 40)
    world.happened.append(Happening(at_unix_s=begin, kind=Happened.EDIT, text=text, about=SUBJECT, by="ana"))
    world.slow(world.rng.uniform(4, 8), late=1)


def _node(world: World) -> None:
    world.turn(world.host["cpu_ratio"], 10, least=0.97)
    world.host["cpu_ratio"] = [None if v is None else min(1.0, v) for v in world.host["cpu_ratio"]]
    world.turn(world.own["generation_tok_s"], 0.6)
    world.slow(world.rng.uniform(4, 8))


def _orphan(world: World) -> None:
    held = (30_000.0,) * (STEPS - world.at)
    world.tenants.append(Tenant(name="VLLM::EngineCore", owner="chat/1", foreign=False, orphan=True,
                                since_unix_s=world.at_unix_s, memory_mib=(0.0,) * world.at + held))  # fmt: skip


BEFALLS: dict[Code, Callable[[World], None]] = {
    Code.NEIGHBOUR_FOREIGN: _foreign, Code.NEIGHBOUR: _ours, Code.TRAFFIC: _traffic, Code.PREFILL: _prefill,
    Code.KV_FULL: _kv, Code.BATCH: _batch, Code.THROTTLE: _throttle, Code.GPU_FAILING: _failing, Code.HUNG: _hung,
    Code.CHANGE: _change, Code.NODE: _node, Code.ORPHAN: _orphan,
}  # fmt: skip
