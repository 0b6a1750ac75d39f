"""Applying the demo's profile, by the road that every profile takes: load, place, plan, SetDesired."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from agents.wire import DesiredSet, SetDesired
from console.demo.node import DemoNode
from console.demo.unixsocket import AUTHOR, Watch
from profiles.files.load import load_profile
from profiles.observed.status import NodeStatus
from profiles.placing.place import place
from profiles.plans.profile_plan import plan_profile
from profiles.revisions.numbering import numbered


class NotDeployed(Exception):
    """The demo's own profile does not fit the demo's own nodes."""


async def deploy(path: Path, nodes: Mapping[str, DemoNode]) -> None:
    """Ask every node for its part of the profile at `path`, as soon as all of them report their GPUs."""
    watches = {name: Watch(node.socket) for name, node in nodes.items()}
    running = [asyncio.create_task(watch.run()) for watch in watches.values()]
    try:
        statuses = {name: await watch.until(_has_gpus(nodes[name])) for name, watch in watches.items()}
        profile = load_profile(path)
        placement = place(profile, statuses)
        if placement.unplaceable:
            raise NotDeployed("; ".join(f"{found.service}: {found.reason}" for found in placement.unplaceable))
        desired = {name: watch.desired for name, watch in watches.items()}
        plan = plan_profile(profile.profile, placement.specs, desired, profile.owner)
        for edit in numbered(plan, profile.profile, desired).nodes:
            session = watches[edit.node].session
            if session is None:
                raise NotDeployed(f"the agent of {edit.node} is gone")
            request = SetDesired(
                expected_generation=edit.expected_generation, instances=edit.instances, author=AUTHOR,
                reason="the demo begins", profile_text=path.read_text(), applies=edit.applies,
            )  # fmt: skip
            await session.request(request, DesiredSet, 10.0)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _has_gpus(node: DemoNode) -> Callable[[NodeStatus], bool]:
    return lambda status: len(status.gpus) == len(node.gpus)
