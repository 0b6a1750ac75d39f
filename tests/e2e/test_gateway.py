"""A gateway with a real sshd, agent, HAProxy and engines: no request fails while all replicas are replaced."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.e2e.test_undo import done, items
from tests.fakes.callers import Callers
from tests.fakes.haproxy import needs_haproxy

PER_S = 20
REPLICAS = 3


@pytest.fixture(autouse=True)
def haproxy() -> None:
    needs_haproxy()


def profile(host: Host, port: int, load_s: float = 0.1, **weights: int) -> str:
    path = Path(host.folder / "p.yaml")
    service = {"engine": "simulated", "model": "m", "options": {"load_seconds": 0.1}}
    services = {"chat": service | {"replicas": REPLICAS, "options": {"load_seconds": load_s}}, "next": service}
    gateway = {"front": {"node": "here", "port": port, "serve": weights}}
    rollout = {"max_parallel": 1, "soak": "1s"}
    written = {"gpuyard": 1, "profile": "p", "services": services, "gateway": gateway, "rollout": rollout}
    path.write_text(json.dumps(written))
    return str(path)


def members(host: Host) -> dict[str, dict[str, Any]]:
    front = next(one for one in items(host, "instances") if one["name"] == "front/0")
    return {one["instance"]: one for one in (front["gateway"] or {"members": []})["members"]}


async def test_no_request_fails_while_replicas_are_replaced_under_load(host: Host) -> None:
    port = sshd.free_port()
    said = await asyncio.to_thread(done, host, "apply", "-f", profile(host, port, chat=95, next=5), "--yes")
    assert "front/0" in said
    assert members(host).keys() == {"chat/0", "chat/1", "chat/2", "next/0"}
    before = {one["name"]: one["pid"] for one in items(host, "instances")}
    callers = Callers(port, per_s=PER_S)
    async with callers.calling():
        changed = profile(host, port, load_s=0.2, chat=95, next=5)
        await asyncio.to_thread(done, host, "apply", "-f", changed, "--yes")
    assert callers.failed == {}, callers.said
    assert callers.statuses[200] > REPLICAS * PER_S
    after = {one["name"]: one["pid"] for one in items(host, "instances")}
    assert {name for name in before if before[name] != after[name]} == {"chat/0", "chat/1", "chat/2"}
    page = done(host, "describe", "service", "chat")
    assert "Gateway       front/0" in page
    assert "chat/2          up" in page


def test_a_weight_is_changed_live_and_back_and_the_gateway_goes_with_its_profile(host: Host) -> None:
    port = sshd.free_port()
    done(host, "apply", "-f", profile(host, port, chat=95, next=5), "--yes")
    first = next(one["pid"] for one in items(host, "instances") if one["name"] == "front/0")
    said = done(host, "apply", "-f", profile(host, port, chat=50, next=50), "--yes")
    assert "live     front/0" in said
    assert "gateway.next" in said
    sshd.wait_until(lambda: members(host)["next/0"]["weight"] == 256, 10, "the new weight")
    done(host, "apply", "-f", profile(host, port, chat=95, next=5), "--yes")
    sshd.wait_until(lambda: members(host)["next/0"]["weight"] < 100, 10, "the old weight")
    assert first == next(one["pid"] for one in items(host, "instances") if one["name"] == "front/0")
    done(host, "down", "p", "--yes")
    assert items(host, "instances") == []
