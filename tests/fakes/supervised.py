"""A supervisor on a real state directory with the fake engine: one daemon's worth of parts, without a socket."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path

import msgspec

from agents.board import Board
from agents.events import EventLog
from agents.fractions.fractions import Fractions
from agents.fractions.holds import Holds
from agents.gateways.doors import Doors
from agents.instances.liveness import Pace
from agents.instances.restart import RestartPolicy
from agents.instances.supervisor import Supervisor
from agents.layout import Layout
from agents.processes import tree
from agents.wire import SetDesired
from engines.abilities import Completion, Liveness
from engines.base import Command, EngineSample, Launch, LoadProgress, Probe
from engines.devices import Slice
from profiles.desired.model import DesiredInstance, InstanceSpec
from profiles.observed.gpus import MigDevice, MigState
from profiles.observed.status import GpuReading, GpuSource, GpuSourceKind, HostReading, InstanceStatus, Phase

FAKE = Path(__file__).parent / "engine.py"
POLICY = RestartPolicy(first_s=0.1)
PACE = Pace(
    look_s=0.1, stalled_after_s=0.6, unanswered_after_s=0.8, idle_after_s=0.5, retry_after_s=0.2, confined_s=0.1
)


class FakeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    program: str = sys.executable
    extra_args: list[str] = []
    deadline_s: float = 30.0
    detail: bool = False


class FakeEngine:
    name = "fake"
    Options = FakeOptions
    absent: Mapping[str, str] = {}
    live: Mapping[str, str] = {}
    key_variable = "FAKE_API_KEY"

    def command(self, launch: Launch) -> Command:
        options = launch.options
        assert isinstance(options, FakeOptions)
        files = (launch.model,) if launch.model.startswith("/") else ()
        argv = (options.program, str(FAKE), "--port", str(launch.port), *options.extra_args)
        return Command(argv=argv, needs_files=files)

    def ready(self, launch: Launch) -> Probe:
        options = launch.options
        assert isinstance(options, FakeOptions)
        detail = "/slots" if options.detail else None
        return Probe(
            ready_path="/health",
            metrics_path="/metrics",
            load_deadline_s=options.deadline_s,
            detail_path=detail,
            timeout_s=1.0,
        )

    def sample(self, metrics: str) -> EngineSample:
        values = dict(line.split() for line in metrics.splitlines())
        return EngineSample(running=float(values["fake_running"]), generation_tokens=float(values["fake_tokens"]))

    def liveness(self, launch: Launch) -> Liveness:
        options = launch.options
        assert isinstance(options, FakeOptions)
        token = Completion(path="/v1/completions", body=b"{}", timeout_s=0.5)
        return Liveness(one_token=token)

    def detailed(self, sample: EngineSample, page: str) -> EngineSample:
        made = sum(slot["n_decoded"] for slot in json.loads(page))
        return msgspec.structs.replace(sample, generation_tokens_in_flight=made)

    def progress(self, line: str) -> LoadProgress | None:
        return LoadProgress(step="weights", ratio=0.5) if "loading weights" in line else None


class Agent:
    """One daemon's worth of parts on a state directory; `start` again after `kill` is the next daemon."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory / "state", directory / "state" / "agent.sock")
        self.layout.make()
        self.simulated: Path | None = None
        self.fractions: Fractions | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        host = HostReading(cores=1, memory_total_mib=1)
        self.board = Board(
            hostname="h", agent_version="0", boot_id=tree.boot_id(), host=host, gpu_source=GpuSource(GpuSourceKind.NONE)
        )
        self.events = EventLog(self.layout.events)
        self.holds = Holds()
        self.doors = Doors()
        self.supervisor = Supervisor(
            self.layout, self.board, self.events, fractions=self.make_fractions(),
            simulated=self.simulated, holds=self.holds, doors=self.doors, policy=POLICY, pace=PACE, grace_s=5.0,
        )  # fmt: skip
        self.read_gpus(*(owned.spec for owned in self.board.desired.instances.values()))
        self.task = asyncio.create_task(self._run(self.beside()))

    def make_fractions(self) -> Fractions | None:
        """For the daemon that starts, whose board and events are there."""
        return self.fractions

    def beside(self) -> Sequence[Coroutine[None, None, None]]:
        """What else runs in this daemon."""
        return ()

    async def _run(self, beside: Sequence[Coroutine[None, None, None]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (self.supervisor.run(), self._scrape(), *beside):
                tasks.create_task(part)

    async def _scrape(self) -> None:
        """What the sampler does, faster and without GPUs."""
        while True:
            for one in self.supervisor.scraped():
                if (sample := await one.sample()) is not None:
                    self.supervisor.scraped_now(one.name, sample)
            await asyncio.sleep(0.1)

    async def kill(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def set(self, *specs: InstanceSpec) -> int:
        self.read_gpus(*specs)
        instances = {spec.name: DesiredInstance(profile="p", revision=1, spec=spec) for spec in specs}
        generation = self.board.desired.generation
        request = SetDesired(expected_generation=generation, instances=instances, author="ann", reason="because")
        return self.supervisor.set_desired(request, "ann")

    def read_gpus(self, *specs: InstanceSpec) -> None:
        """As a reader would: what `specs` name is there, well and empty, unless the test says otherwise."""
        known = {gpu.uuid: gpu for gpu in self.board.status().gpus}
        parts: dict[str, list[Slice]] = {}
        for part in (part for one in specs for part in one.slices):
            parts.setdefault(part.gpu_uuid, []).append(part)
        self.board.set_gpus(list(({uuid: reading_of(*found) for uuid, found in parts.items()} | known).values()))

    def status(self, name: str = "chat/0") -> InstanceStatus | None:
        return next((one for one in self.board.status().instances if one.name == name), None)

    async def until(self, test: Callable[[InstanceStatus], bool], name: str = "chat/0") -> InstanceStatus:
        seen = None
        try:
            async with asyncio.timeout(25):
                while not ((seen := self.status(name)) and test(seen)):
                    assert self.task is not None
                    if self.task.done():
                        await self.task
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never came: {seen}; {[event.text for event in self.events.after(0, 99)]}") from None
        return seen

    async def until_phase(self, phase: Phase, name: str = "chat/0") -> InstanceStatus:
        return await self.until(lambda one: one.phase is phase, name)

    def mine(self) -> list[int]:
        """Pids of every living engine process of this state directory."""
        marks = {pid: tree.marked(pid) for pid in tree.everyone()}
        return [pid for pid, mark in marks.items() if mark and mark[1] == str(self.layout.state)]


def reading_of(*parts: Slice) -> GpuReading:
    """A GPU of 80 GB, divided as `parts` of it need."""
    first = parts[0]
    reading = GpuReading(
        uuid=first.gpu_uuid, index=first.gpu_index, name="H100", memory_total_mib=81_559, memory_used_mib=0
    )
    devices = tuple(
        MigDevice(uuid=f"MIG-{at}", profile=slot.profile, start=slot.start, size=slot.size, gi_id=at, ci_id=0)
        for at, slot in enumerate(dict.fromkeys(part.mig for part in parts if part.mig))
    )
    mig = MigState(current=True, pending=True) if devices else None
    return msgspec.structs.replace(reading, mig=mig, mig_devices=devices)


def spec(name: str = "chat/0", *flags: str, **changes: object) -> InstanceSpec:
    base = InstanceSpec(
        name=name, service=name.split("/")[0], engine="fake", model="m", options={"extra_args": [*flags]}
    )
    return msgspec.structs.replace(base, **changes)
