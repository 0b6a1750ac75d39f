"""`python -m console.demo.cluster`: the whole cluster, for as long as stdin is open.

Everything that it starts dies with it: agents, traffic and strangers by the kernel's word (PR_SET_PDEATHSIG),
engines because their GPUs' lock is free then. stdout gets one line of JSON: an Announcement.
"""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from console.demo.announcement import Announcement
from console.demo.child import end, python, spawn
from console.demo.deploy import deploy
from console.demo.directory import demo_directory, sweep
from console.demo.ending import wait_for_engines
from console.demo.fakedriver import start_driver
from console.demo.node import DemoNode, plan_nodes
from console.demo.scenarios import Stage, play
from console.demo.services import fitted, profile_text
from console.demo.sshserver import ADDRESS, SshServer
from profiles.observed.status import Role

SERVICE_IN_TROUBLE = "chat-8b"
AGENT_START_LIMIT_S = 20.0


async def run(root: Path, count: int, gpus: int, seed: int, scenario: str, nvml: bool = False) -> None:
    """The cluster, until stdin ends or a signal comes."""
    over = _over()
    driver = root / "library" if nvml else None
    nodes = {node.name: node for node in plan_nodes(root, count, gpus, seed, driver)}
    locks = [node.make() for node in nodes.values()]
    services = fitted(list(nodes), gpus)
    profile = root / "demo.yaml"
    profile.write_text(profile_text(services))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(wait_for_engines, [node.state for node in nodes.values()], locks)
        if driver is not None:
            follower = await start_driver(driver, nodes.values(), root / "driver.log")
            stack.push_async_callback(end, follower)
        agents = [asyncio.create_task(node.keep_agent(await node.start_agent())) for node in nodes.values()]
        stack.push_async_callback(lambda: asyncio.gather(*(_cancelled(agent) for agent in agents)))
        server = SshServer(root)
        stack.push_async_callback(server.stop)
        inventory = await _write_inventory(root, server, nodes)
        starting = asyncio.create_task(_bring_up(profile, nodes, inventory))
        stack.callback(starting.cancel)
        traffic = await spawn(python("console.demo.traffic", root, seed, count, gpus), root / "traffic.log")
        stack.push_async_callback(end, traffic)
        device = next(service for service in services if service.name == SERVICE_IN_TROUBLE).devices[0]
        name, _, index = device.partition("/")
        stage = Stage(root, nodes[name], int(index), SERVICE_IN_TROUBLE, server)
        stack.push_async_callback(_cancelled, asyncio.create_task(play(scenario, stage)))
        ended = asyncio.create_task(over.wait())
        stack.callback(ended.cancel)
        await asyncio.wait({ended, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await ended


def _over() -> asyncio.Event:
    """Set once whoever started us is gone, or wants us gone."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 4096) else over.set())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    return over


async def _bring_up(profile: Path, nodes: dict[str, DemoNode], inventory: Path) -> None:
    """Announce the cluster as soon as every agent listens, then ask it to run the profile."""
    async with asyncio.timeout(AGENT_START_LIMIT_S):
        for node in nodes.values():
            await _listening(node.socket)
    _announce(Announcement(inventory=str(inventory)))
    await deploy(profile, nodes)


async def _listening(socket: Path) -> None:
    while True:
        if socket.exists():
            return
        await asyncio.sleep(0.02)


async def _write_inventory(root: Path, server: SshServer, nodes: dict[str, DemoNode]) -> Path:
    entries = {}
    for name, node in nodes.items():
        entries[name] = {
            "address": ADDRESS,
            "port": await server.listen(node),
            "user": Role.ADMIN.value,
            "identity_file": str(server.identity_file),
            "known_hosts": str(server.known_hosts_file),
            "socket": str(node.socket),
            "site": node.site,
        }
    path = root / "inventory.yaml"
    path.write_bytes(msgspec.yaml.encode({"gpuyard": 1, "nodes": entries}))
    return path


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _announce(announcement: Announcement) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(announcement) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--gpus", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--nvml", action="store_true")
    asked = parser.parse_args()
    sweep()
    with demo_directory() as root:
        try:
            asyncio.run(run(root, asked.nodes, asked.gpus, asked.seed, asked.scenario, asked.nvml))
        except (OSError, TimeoutError) as error:
            talk = "; ".join(_last_line(log) for log in sorted(root.glob("*/agent.log")))
            _announce(Announcement(error=f"{str(error) or 'the agents did not start'} {talk}".strip()))
            return 1
    return 0


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
