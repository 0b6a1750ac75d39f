"""Clients of NVIDIA's Multi-Process Service: they compute side by side, each under a ceiling of memory and of SMs.

grant ──► the GPU's daemon runs, and the client's environment names it ──► verify: is it among the clients?

The ceilings are the client's own environment, read by CUDA when it starts. A client that finds no daemon says
nothing and runs without any of them, so each one is looked for in the daemon's list. Facts of NVIDIA's MPS guide:
a limit names the device by its place among those that the process sees, and holds for each process alone.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from agents import state
from agents.board import Board
from agents.events import EventLog
from agents.fractions.exclusive import Exclusive
from agents.fractions.mechanism import CannotGrant, Grant
from agents.fractions.mpsclients import FILE, ClientBook, Clients
from agents.fractions.mpsdaemon import MpsDaemon, name_of
from agents.layout import Layout
from agents.privilege.privileged import Privileged
from agents.processes.isolation.tier import Tier
from engines.devices import Enforcer, Slice
from profiles.observed.status import EventKind, InternalKind, InternalStatus, Phase, Reason

MAX_CLIENTS = 48
"""Of one GPU of compute capability 7.0 and above (nvidia-cuda-mps-control(1), driver 550)."""


class Service(msgspec.Struct, frozen=True):
    """MPS on one GPU: the daemon and its clients. What is done with them is done one after the other."""

    daemon: MpsDaemon
    clients: ClientBook
    exclusive: Exclusive
    lock: asyncio.Lock

    async def end_unless_needed(self) -> None:
        """Raises OSError."""
        if not self.clients.others(""):
            await self.daemon.down()
            await self.exclusive.leave()

    def status(self) -> InternalStatus | None:
        """None while it neither runs nor should."""
        if self.daemon.phase is Phase.STOPPED:
            return None
        return InternalStatus(
            name=self.daemon.name,
            kind=InternalKind.MPS,
            gpu_uuid=self.daemon.gpu_uuid,
            phase=self.daemon.phase,
            since_unix_s=self.daemon.since_unix_s,
            pid=self.daemon.handle.pid if self.daemon.handle else None,
            reason=self.daemon.problem,
            clients=self.clients.names,
        )


class Mps:
    """Of one agent, for the GPUs of its node; the daemons are on the board. Every call raises OSError.

    `privileged` None leaves the GPUs' modes alone.
    """

    def __init__(
        self, layout: Layout, tier: Tier, board: Board, events: EventLog, privileged: Privileged | None = None
    ) -> None:
        self._layout = layout
        self._tier = tier
        self._board = board
        self._events = events
        self._privileged = privileged
        self._services: dict[str, Service] = {}

    async def resume(self) -> None:
        """Find the daemons of an earlier agent; one that was left without clients ends."""
        for path in self._layout.instances.glob(f"*/{FILE}"):
            if isinstance(kept := state.load(path, Clients), Clients):
                service = self._service(kept.gpu_uuid, kept.gpu_index)
                await self._resume(service)

    async def _resume(self, service: Service) -> None:
        try:
            async with service.lock:
                await service.daemon.find()
                await service.end_unless_needed()
        except OSError as error:  # engines must not wait for it; whoever asks for a part meets it again
            text = f"the MPS daemon of GPU {service.daemon.gpu_index} could not be looked at: {error}"
            self._events.append(EventKind.GPU, text, gpu=service.daemon.gpu_uuid, code="mps_unknown")

    async def grant(self, instance: str, slices: Sequence[Slice]) -> Grant:
        """Raises CannotGrant."""
        if len(slices) > 1:
            text = "an MPS daemon serves one GPU, and an engine can have only one daemon"
            raise CannotGrant("mps_several_gpus", text, "ask for a part of one GPU, or for whole ones")
        part = slices[0]
        service = self._of(part)
        async with service.lock:
            clients, others = service.clients, service.clients.others(instance)
            if sum(map(clients.processes, [*others, instance])) > MAX_CLIENTS:
                text = f"GPU {part.gpu_index} has its {MAX_CLIENTS} MPS clients"
                raise CannotGrant("mps_full", text, "stop one of them", again=True)
            clients.add(instance)
            try:
                await service.daemon.up(others)
            except CannotGrant:
                clients.remove(instance)  # two that wait for each other to go would wait for ever
                raise
            await service.exclusive.enter()
            return Grant(env=environment(part, str(service.daemon.pipes), clients.processes(instance)))

    async def verify(self, instance: str, slices: Sequence[Slice], pids: frozenset[int]) -> Reason | None:
        part = slices[0]
        service = self._of(part)
        async with service.lock:
            seen = await service.daemon.look()
            if isinstance(seen, Reason):
                return seen
            if loose := sorted(pids - seen.clients):
                who = ", ".join(map(str, loose))
                text = f"process {who} is on GPU {part.gpu_index} without MPS: nothing limits it"
                return Reason("unconfined", text, "restart it; CUDA says nothing when it does not find the daemon")
            service.clients.saw(instance, len(pids))
            if len(pids) > (limited := service.clients.processes(instance)):
                text = f"{len(pids)} processes share a limit that was made for {limited}: each alone may reach it"
                return Reason("mps_processes", text, "restart it: the limit is then divided among them")
            return None

    async def release(self, instance: str, slices: Sequence[Slice]) -> None:
        for part in slices:
            service = self._of(part)
            async with service.lock:
                service.clients.remove(instance)
                await service.end_unless_needed()

    def living(self) -> dict[str, int]:
        """Daemons that run → when they were started, in ticks."""
        daemons = [one.daemon for one in self._services.values()]
        return {one.name: handle.start_ticks for one in daemons if (handle := one.handle)}

    def close(self) -> None:
        """Watch none of them any longer; they live on."""
        for service in self._services.values():
            service.daemon.close()

    def _of(self, part: Slice) -> Service:
        return self._service(part.gpu_uuid, part.gpu_index)

    def _service(self, gpu_uuid: str, gpu_index: int) -> Service:
        if gpu_uuid not in self._services:
            daemon = MpsDaemon(self._layout, self._tier, self._events, gpu_uuid, gpu_index, self._show)
            paths = self._layout.instance(name_of(gpu_uuid))
            clients = ClientBook(self._layout, paths, gpu_uuid, gpu_index, self._show)
            exclusive = Exclusive(paths.directory / "exclusive", gpu_uuid, self._board, self._privileged)
            self._services[gpu_uuid] = Service(daemon, clients, exclusive, asyncio.Lock())
        return self._services[gpu_uuid]

    def _show(self) -> None:
        self._board.set_internals([status for one in self._services.values() if (status := one.status())])


def environment(part: Slice, pipes: str, processes: int) -> dict[str, str]:
    """What makes a process a client under the ceilings of `part`, of which `processes` share them."""
    env = {"CUDA_MPS_PIPE_DIRECTORY": pipes, "CUDA_VISIBLE_DEVICES": part.gpu_uuid}
    if part.memory_enforcer is Enforcer.MPS and part.memory_mib is not None:
        limit_mib = part.memory_limit_mib or part.memory_mib
        env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = f"0={limit_mib // processes}M"
    if part.compute_enforcer is Enforcer.MPS and part.compute_percent is not None:
        env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(max(1, part.compute_percent // processes))
    return env
