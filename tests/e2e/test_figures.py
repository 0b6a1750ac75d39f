"""What the panel says of latency, burn and money on a demo with a fixed seed, against the engines' own pages.

The demo's callers are held, and one burst is asked in their place between two moments at which nothing moves: so every
window of the agent that holds the burst has the same counts as the difference of the two pages, whenever it looked.
Nothing of gpuyard reads the pages or the price sheet here.
"""

import asyncio
import os
import random
import re
import signal
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import psutil
import yaml

from console import inventory
from console.demo.traffic import exchange
from console.remote.fleet import Fleet
from console.render.gpus import GPU_COLUMNS, gpu_row
from console.render.money import dollars
from console.render.services import SERVICE_COLUMNS, service_row
from console.spending import of_fleet
from console.store import Key, Kind, Store
from engines.base import Histogram
from profiles.latency import slo
from profiles.money import prices
from profiles.observed.status import InstanceStatus, Phase
from tests.e2e.test_demo import Demo, inventory_of, start, wait_for

__all__ = ["start"]

GPUS, BURST, SEED = 3, 48, 7
SERVICE = Key(Kind.SERVICE, "", "demo:chat-8b")
REPLICAS = ("chat-8b/0", "chat-8b/1")
RATE_S = 10.0
"""How far back the scrapes go that a rate of the agent is of."""

TOKENS = "vllm:generation_tokens_total"
TTFT, ITL = "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds"

Page = dict[str, float]


def page(port: int) -> Page:
    """Series as they are written → value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z][^ ]*(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def total(found: Page, family: str) -> float:
    return sum(value for name, value in found.items() if name.partition("{")[0] == family)


def buckets(pages: list[tuple[Page, Page]], family: str) -> list[tuple[float, float]]:
    """Upper bound and how many of all the bursts were not over it."""
    counts: dict[float, float] = {}
    for before, after in pages:
        for name, value in after.items():
            if name.startswith(f"{family}_bucket"):
                bound = float(re.search(r'le="([^"]+)"', name)[1].replace("+Inf", "inf"))  # type: ignore[index]
                counts[bound] = counts.get(bound, 0.0) + value - before[name]
    return sorted(counts.items())


def bucket_of(found: list[tuple[float, float]], share: float) -> tuple[float, float]:
    """Of the observation that a `share` of them do not exceed: the bounds between which it lies."""
    at = next(at for at, (_, count) in enumerate(found) if count >= share * found[-1][1])
    return (found[at - 1][0] if at else 0.0), found[at][0]


def burnt(found: list[tuple[float, float]], target_s: float, allowed: float) -> tuple[float, float]:
    """At least and at most."""
    asked = found[-1][1]
    least = asked - min(count for bound, count in found if bound >= target_s)
    most = asked - max((count for bound, count in found if bound <= target_s), default=0.0)
    return least / asked / allowed, most / asked / allowed


@contextmanager
def callers_held(demo: Demo) -> Iterator[None]:
    def callers() -> list[int]:
        return [pid for pid in demo.living() if "console.demo.traffic" in psutil.Process(pid).cmdline()]

    wait_for(callers)
    (caller,) = callers()
    os.kill(caller, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(caller, signal.SIGCONT)


@asynccontextmanager
async def looking(store: Store, demo: Demo, seen: dict[str, list[float]]) -> AsyncIterator[None]:
    """A console, and when the agent read each engine."""
    fleet = Fleet(inventory.load(inventory_of(demo)), store, author="eve")

    async def note() -> None:
        while True:
            for _, status in store.instances():
                times = seen.setdefault(status.name, [])
                if status.reading is not None and status.reading.at_unix_s not in times[-1:]:
                    times.append(status.reading.at_unix_s)
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(fleet.run()), asyncio.create_task(note())]
    try:
        with callers_held(demo):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Run:
    """A burst, seen from both sides: the pages before and after it, and what the console had of it."""

    store: Store
    pages: list[tuple[Page, Page]]
    told: list[InstanceStatus]
    shown: dict[str, str]
    promised: dict[str, str]
    windows_s: list[float]
    """Of each replica, between the two scrapes that its rates are of."""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def ask_burst(ports: list[int]) -> None:
    """Alike for every run: what is asked of whom depends on SEED alone."""
    chance = random.Random(SEED)
    model = "meta-llama/Llama-3.1-8B-Instruct"

    async def ask(port: int, words: int, answer: int) -> None:
        body = f'{{"model": "{model}", "prompt": {[0] * words}, "max_tokens": {answer}, "stream": true}}'
        await exchange(port, "POST", "/v1/completions", body.encode())

    async with asyncio.TaskGroup() as tasks:
        for at in range(BURST):
            tasks.create_task(ask(ports[at % len(ports)], chance.randint(400, 1200), chance.randint(5, 25)))


def panel(store: Store, service: Key = SERVICE) -> dict[str, str]:
    row = service_row(store, service)
    assert row is not None
    return {column.id: cell.text for column, cell in zip(SERVICE_COLUMNS, row.cells, strict=True)}


async def one_burst(demo: Demo) -> Run:
    store, seen = Store(), dict[str, list[float]]()
    store.sheet = prices.load(None)
    async with looking(store, demo, seen):
        (node,) = store.nodes.values()
        await until(lambda: all(len(seen.get(name, ())) > 1 and node.instances[name].phase is Phase.READY
                                for name in (*REPLICAS, "embed/0")))  # fmt: skip
        ports = [node.instances[name].port or 0 for name in REPLICAS]
        before, begun = [page(port) for port in ports], {name: len(seen[name]) for name in REPLICAS}
        await ask_burst(ports)
        after, ended = [page(port) for port in ports], {name: len(seen[name]) for name in REPLICAS}
        assert [total(one, "vllm:num_requests_running") for one in after] == [0.0, 0.0]
        await until(lambda: all(len(seen[name]) > ended[name] + 1 for name in REPLICAS))
        windows_s = []
        for name in REPLICAS:
            oldest = next(at for at, seen_s in enumerate(seen[name]) if seen[name][-1] - seen_s <= RATE_S)
            assert oldest < begun[name], "the window holds the whole burst"
            windows_s.append(seen[name][-1] - seen[name][oldest])
        promised = yaml.safe_load((demo.roots()[0] / "demo.yaml").read_text())["services"]["chat-8b"]["slo"]
        told = [node.instances[name] for name in REPLICAS]
        return Run(store, list(zip(before, after, strict=True)), told, panel(store), promised, windows_s)


async def test_the_panel_is_what_the_pages_say(start: Callable[..., Demo]) -> None:
    run = await one_burst(start("--headless", "--gpus", str(GPUS), "--seed", str(SEED)))
    check_latency(run)
    check_burn(run)
    check_money(run)


def check_latency(run: Run) -> None:
    """What is shown lies within the bucket of the pages, for the service and for each replica."""
    histograms = [status.reading.ttft for status in run.told if status.reading and status.reading.ttft]
    assert buckets(run.pages, TTFT)[-1][1] == BURST
    check_quantile(slo.merge(histograms), run.pages)
    for histogram, pair in zip(histograms, run.pages, strict=True):
        check_quantile(histogram, [pair])


def check_quantile(histogram: Histogram | None, pages: list[tuple[Page, Page]]) -> None:
    low_s, high_s = bucket_of(buckets(pages, TTFT), 0.95)
    found = slo.quantile(histogram, 0.95) if histogram else None
    assert found is not None
    assert low_s <= found.low_s <= found.high_s <= high_s


def check_burn(run: Run) -> None:
    """The worst replica's worst objective, of those that demo.yaml promises."""
    targets_s = {TTFT: float(run.promised["ttft_p95"].removesuffix("ms")) / 1000,
                 ITL: float(run.promised["itl_p95"].removesuffix("ms")) / 1000}  # fmt: skip
    burns = [burnt(buckets([pair], family), target_s, 0.05) for pair in run.pages
             for family, target_s in targets_s.items()]  # fmt: skip
    low, high = (f"{value:.1f}" for value in max(burns))
    assert max(burns)[0] > 0, "the burst is to hurt"
    times = f"{low}×" if low == high else f"{low}–{high}×"
    assert run.shown["worst"].strip("! ") == run.shown["burn_5m"] == run.shown["burn_1h"] == times


def check_money(run: Run) -> None:
    """To the cent: whole GPUs and a part of one by the price of an H100, and tokens by how many were made."""
    sheet = yaml.safe_load(prices.FILE.read_text())["prices"]
    (usd_h,) = [float(row["price"].split()[0]) for row in sheet if row["gpu"] == "H100"]
    (node,) = run.store.nodes.values()
    assert all("H100" in gpu.name for gpu in node.gpus.values())
    cost = next(at for at, column in enumerate(GPU_COLUMNS) if column.id == "cost")
    rows = [gpu_row(run.store, Key(Kind.GPU, node.name, uuid)) for uuid in node.gpus]
    assert [row.cells[cost].text for row in rows if row] == [f"{usd_h:.2f}"] * GPUS
    assert dollars(of_fleet(run.store).total) == f"${GPUS * usd_h:.2f}"
    assert run.shown["cost"] == f"{len(REPLICAS) * usd_h:.2f}"
    share = 12 * 1024 / (next(iter(node.gpus.values())).memory_total_mib or 0)
    assert panel(run.store, SERVICE._replace(name="demo:embed"))["cost"] == f"{share * usd_h:.2f}"
    made = [total(after, TOKENS) - total(before, TOKENS) for before, after in run.pages]
    tokens_per_s = sum(count / window_s for count, window_s in zip(made, run.windows_s, strict=True))
    assert run.shown["million"] == f"{len(REPLICAS) * usd_h * 1e6 / (tokens_per_s * 3600):.2f}"
