"""Money over a real sshd and a real agent: of the past against a sum by hand, and budgets that are gone over."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from console import inventory
from console.budget_watch import BudgetWatch
from console.remote.fleet import Fleet
from console.spending import over_budget
from console.store import Store
from engines.simulated_device import DEVICES_FILE
from profiles.money import prices
from profiles.money.budgets import Budget
from profiles.money.prices import Sheet
from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_undo import done

OBSERVED_S = 20
TOTAL_MIB = 81_559
PROFILE = """gpuyard: 1
profile: shared
owner: search
defaults: {engine: simulated}
services:
  embed: {model: m, gpus: {devices: [here/0], memory: 12GiB}, options: {load_seconds: 0.1, weights_mib: 1000}}
  broken: {model: m, gpus: {devices: [here/1]}, options: {load_seconds: 0.1, weights_mib: 900000}}
"""


def items(host: Host, *command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done(host, *command, "--json"))["items"]
    return found


@pytest.fixture
def shared(host: Host, gpus: Path, tmp_path: Path) -> Host:
    devices = gpus / DEVICES_FILE
    devices.write_text(devices.read_text().replace('"H100"', '"NVIDIA H100 80GB HBM3"'))
    wait_until(lambda: len(items(host, "gpus")) == 2, 20, "the agent that was just started reads its GPUs")
    path = tmp_path / "shared.yaml"
    path.write_text(PROFILE)
    done(host, "apply", "-f", str(path), "--yes", "--no-wait")
    return host


def test_what_a_node_observed_is_paid_and_no_more(shared: Host) -> None:
    """Both GPUs for as long as they were seen; of GPU 0, embed has 12 GiB; what never came up has nothing."""
    usd_h = next(float(row["price"].split()[0]) for row in yaml.safe_load(prices.FILE.read_text())["prices"]
                 if row["gpu"] == "H100")  # fmt: skip

    step_usd = usd_h * 12 * 1024 / TOTAL_MIB * 10 / 3600

    def services() -> dict[str, float]:
        return {one["service"]: one["usd"] for one in items(shared, "cost", "--window", "1h", "--by", "service")}

    def embed_alone() -> bool:
        """A launch that is under way may come up yet: until it failed, it is counted."""
        found = services()
        return set(found) == {"embed"} and found["embed"] > OBSERVED_S / 10 * step_usd * 0.9

    wait_until(embed_alone, 90, "embed has run a while, and the other has failed")
    steps = services()["embed"] / step_usd
    assert steps == pytest.approx(round(steps), abs=0.01), "whole steps of ten seconds"
    (found,) = items(shared, "cost", "--window", "1h")
    seen_s = found["kept_s"]["here"]
    assert found["usd"] == pytest.approx(2 * usd_h * seen_s / 3600, abs=2e-6)
    assert OBSERVED_S / 10 <= round(steps) <= seen_s / 10
    assert items(shared, "cost", "--window", "1h", "--by", "owner")[0]["owner"] == "search"
    said = done(shared, "cost", "--window", "24h")
    assert "of 1d00h, here has " in said


@asynccontextmanager
async def console(host: Host, author: str) -> AsyncIterator[BudgetWatch]:
    """That has a budget of a dollar a day for search."""
    store = Store()
    store.sheet = Sheet(prices.load(None).rows, [Budget(kind="owner", name="search", microusd_day=1_000_000)])
    fleet = Fleet(inventory.load(host.folder / "inventory.yaml"), store, author=author)
    running = asyncio.create_task(fleet.run())
    try:
        async with asyncio.timeout(30):
            while not over_budget(store):
                await asyncio.sleep(0.05)
        yield BudgetWatch(fleet, store)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_budget_that_is_gone_over_is_on_record_once(shared: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(shared.home))

    def noted() -> list[dict[str, Any]]:
        return [event for event in items(shared, "events") if event["code"] == "over_budget"]

    async with console(shared, "ana") as ana, console(shared, "eve") as eve:
        await ana.look()
        assert not noted(), "over at one look may be a service that is rolled"
        for _ in range(3):
            await ana.look()
            await eve.look()
    (event,) = noted()
    assert event["author"] == "ana"
    assert event["text"].startswith("owner search spends $")
    assert event["text"].endswith(" a day of $1.00")
