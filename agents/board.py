"""The observed state of the node, each entry with the number of its last change.

    sampler, supervisor ──► Board ──► snapshot(), since(number) ──► every client

One counter counts changes. A client remembers the number it was sent last, and gets the entries that changed
after it: nothing is queued for anybody.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from agents.wire import Delta, Snapshot
from profiles.desired.model import Desired
from profiles.observed.gpus import GpuCard
from profiles.observed.isolation import NodeIsolation
from profiles.observed.kept import Kept
from profiles.observed.status import (
    GpuReading,
    GpuSource,
    HostReading,
    InstanceStatus,
    InternalStatus,
    NodeStatus,
    Reason,
)

GONE_KEPT = 1024
"""Names of dropped entries that are remembered; a client further behind is told to take a snapshot."""


T = TypeVar("T")


class Board:
    """Entries are replaced whole. Not safe for threads: the daemon has one loop."""

    def __init__(
        self,
        *,
        hostname: str,
        agent_version: str,
        boot_id: str,
        host: HostReading,
        gpu_source: GpuSource,
        isolation: NodeIsolation | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.number = 1
        self.hostname = hostname
        self._agent_version = agent_version
        self._boot_id = boot_id
        self._isolation = isolation
        self.bind = ""
        """As NodeStatus has it."""
        self._wall = wall
        self._host = (1, host)
        self._gpu_source = (1, gpu_source)
        self._gpu_cards: tuple[int, tuple[GpuCard, ...]] = (1, ())
        self._desired = (1, Desired())
        self._troubles: tuple[int, dict[str, Reason]] = (1, {})
        self._kept: tuple[int, Kept | None] = (1, None)
        self._internals: tuple[int, tuple[InternalStatus, ...]] = (1, ())
        self._gpus: dict[str, tuple[int, GpuReading]] = {}
        self._instances: dict[str, tuple[int, InstanceStatus]] = {}
        self._gpus_gone: dict[str, int] = {}
        self._instances_gone: dict[str, int] = {}
        self._forgotten = 0

    def set_host(self, reading: HostReading) -> None:
        if reading != self._host[1]:
            self._host = (self._next(), reading)

    def set_gpu_source(self, source: GpuSource) -> None:
        if source != self._gpu_source[1]:
            self._gpu_source = (self._next(), source)

    def set_gpu_cards(self, cards: tuple[GpuCard, ...]) -> None:
        if cards != self._gpu_cards[1]:
            self._gpu_cards = (self._next(), cards)

    def set_gpus(self, readings: Sequence[GpuReading]) -> None:
        """Replace all; those that are equal to what is there keep their number."""
        new = {reading.uuid: reading for reading in readings}
        for uuid in [uuid for uuid in self._gpus if uuid not in new]:
            del self._gpus[uuid]
            self._remember(self._gpus_gone, uuid)
        for uuid, reading in new.items():
            known = self._gpus.get(uuid)
            if known is None or known[1] != reading:
                self._gpus_gone.pop(uuid, None)
                self._gpus[uuid] = (self._next(), reading)

    def set_instance(self, status: InstanceStatus) -> None:
        known = self._instances.get(status.name)
        if known is None or known[1] != status:
            self._instances_gone.pop(status.name, None)
            self._instances[status.name] = (self._next(), status)

    def drop_instance(self, name: str) -> None:
        if self._instances.pop(name, None) is not None:
            self._remember(self._instances_gone, name)

    def set_desired(self, desired: Desired) -> None:
        if desired != self._desired[1]:
            self._desired = (self._next(), desired)

    def set_kept(self, kept: Kept | None) -> None:
        """None keeps what was known."""
        if kept and kept != self._kept[1]:
            self._kept = (self._next(), kept)

    def set_internals(self, found: Sequence[InternalStatus]) -> None:
        """Replace all."""
        new = tuple(sorted(found, key=lambda one: one.name))
        if new != self._internals[1]:
            self._internals = (self._next(), new)

    def set_trouble(self, code: str, reason: Reason | None) -> None:
        """What is wrong with the node itself, one sentence for each `code`; None where it is over."""
        others = {key: value for key, value in self._troubles[1].items() if key != code}
        new = others | {code: reason} if reason else others
        if new != self._troubles[1]:
            self._troubles = (self._next(), new)

    def trouble(self, code: str) -> Reason | None:
        return self._troubles[1].get(code)

    @property
    def desired(self) -> Desired:
        return self._desired[1]

    def now(self) -> float:
        """The node's wall clock, in seconds since 1970."""
        return self._wall()

    def status(self) -> NodeStatus:
        return NodeStatus(
            hostname=self.hostname,
            agent_version=self._agent_version,
            boot_id=self._boot_id,
            at_unix_s=self._wall(),
            host=self._host[1],
            gpu_source=self._gpu_source[1],
            gpu_cards=self._gpu_cards[1],
            gpus=tuple(sorted((gpu for _, gpu in self._gpus.values()), key=lambda gpu: gpu.index)),
            instances=tuple(sorted((one for _, one in self._instances.values()), key=lambda one: one.name)),
            troubles=tuple(self._troubles[1].values()),
            internals=self._internals[1],
            isolation=self._isolation,
            bind=self.bind,
            kept=self._kept[1],
        )

    def snapshot(self) -> tuple[int, Snapshot]:
        """The number to ask `since` for, and the full state."""
        return self.number, Snapshot(status=self.status(), desired=self.desired)

    def since(self, number: int) -> tuple[int, Delta | None]:
        """The entries that changed after `number`, or None where none did.

        Raises LookupError when `number` is older than the dropped entries that are remembered: take a snapshot.
        """
        if number < self._forgotten:
            raise LookupError(f"changes before {self._forgotten} are forgotten, asked for {number}")
        if number >= self.number:
            return self.number, None
        troubles = _newer(self._troubles, number)
        return self.number, Delta(
            at_unix_s=self._wall(),
            host=_newer(self._host, number),
            gpu_source=_newer(self._gpu_source, number),
            gpu_cards=_newer(self._gpu_cards, number),
            gpus=tuple(gpu for changed, gpu in self._gpus.values() if changed > number),
            gpus_gone=tuple(uuid for uuid, changed in self._gpus_gone.items() if changed > number),
            instances=tuple(one for changed, one in self._instances.values() if changed > number),
            instances_gone=tuple(name for name, changed in self._instances_gone.items() if changed > number),
            desired=_newer(self._desired, number),
            troubles=None if troubles is None else tuple(troubles.values()),
            kept=_newer(self._kept, number),
            internals=_newer(self._internals, number),
        )

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _remember(self, gone: dict[str, int], name: str) -> None:
        gone[name] = self._next()
        if len(gone) > GONE_KEPT:
            oldest = next(iter(gone))
            self._forgotten = max(self._forgotten, gone.pop(oldest))


def _newer(entry: tuple[int, T], number: int) -> T | None:
    return entry[1] if entry[0] > number else None
