"""The trials of a node: one an instance at a time, each kept with the generation that it was of."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from agents import state
from agents.errors import Refused
from agents.trials.bench import Bench
from agents.trials.completion import Target, Wanted, complete
from agents.trials.job import Job
from profiles.latency.trial import KeptTrial, Timing, Trial, problem

KEPT = 50
SMOKE_PROMPT = "Say in one short sentence what a terminal is."
SMOKE_TOKENS = 32
SMOKE_LIMIT_S = 45.0

TargetOf = Callable[[str], Target | None]


class Trials:
    """`target_of` knows the engines that serve; `generation` is the desired document's."""

    def __init__(
        self, directory: Path, target_of: TargetOf, generation: Callable[[], int], wall: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._target_of = target_of
        self._generation = generation
        self._wall = wall
        self._running: dict[str, tuple[str, Bench]] = {}
        """By id: instance and bench; the last one of an instance stays until the next."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; no child is left behind."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def smoke(self, instance: str) -> Timing:
        """One streamed request. Raises Refused."""
        wanted = Wanted(prompt=SMOKE_PROMPT, answer_tokens=SMOKE_TOKENS, timeout_s=SMOKE_LIMIT_S)
        return await complete(self._target(instance), wanted)

    def start(self, instance: str, trial: Trial, author: str) -> str:
        """The id to ask after. Raises Refused."""
        if text := problem(trial):
            raise Refused("invalid", text)
        target = self._target(instance)
        for one, (whose, bench) in list(self._running.items()):
            if whose == instance and not bench.over:
                raise Refused("busy", f"{instance} is being tried already", f"wait for {one}, or stop it")
            if whose == instance:
                del self._running[one]
        name = secrets.token_hex(4)
        bench = Bench(Job(target, trial, seed=self._generation()))
        self._running[name] = (instance, bench)
        kept = KeptTrial(
            name=name, instance=instance, generation=self._generation(), author=author, at_unix_s=self._wall(),
            trial=trial,
        )  # fmt: skip
        self._tasks[name] = task = asyncio.create_task(self._carry_out(bench, kept))
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return name

    async def report(self, name: str, known: int, wait_s: float) -> Bench:
        """As soon as more than `known` are answered. Raises Refused for one that this agent did not begin."""
        bench = self._bench(name)
        await bench.next_report(known, wait_s)
        return bench

    async def stop(self, name: str) -> None:
        """Raises Refused. One that is over stays so."""
        self._bench(name)
        if task := self._tasks.get(name):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def kept(self, instance: str) -> list[KeptTrial]:
        """Oldest first; "" is of all instances."""
        found = [state.load(path, KeptTrial) for path in self._directory.glob("*.json")]
        trials = [one for one in found if isinstance(one, KeptTrial) and instance in ("", one.instance)]
        return sorted(trials, key=lambda one: one.at_unix_s)

    async def _carry_out(self, bench: Bench, kept: KeptTrial) -> None:
        await bench.run()
        if bench.levels:
            self._keep(msgspec.structs.replace(kept, levels=tuple(bench.levels), problem=bench.problem))

    def _keep(self, kept: KeptTrial) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        state.save(self._directory / f"{kept.name}.json", kept)
        for old in self.kept("")[:-KEPT]:
            (self._directory / f"{old.name}.json").unlink(missing_ok=True)

    def _target(self, instance: str) -> Target:
        target = self._target_of(instance)
        if target is None:
            raise Refused("unavailable", f"{instance} does not serve", "wait until it is ready")
        return target

    def _bench(self, name: str) -> Bench:
        if name not in self._running:
            raise Refused("not_found", f"no trial {name} is known", "it ended with the agent that began it")
        return self._running[name][1]
