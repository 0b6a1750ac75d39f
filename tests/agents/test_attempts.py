import os
import signal
from pathlib import Path

import pytest

from agents.instances.attempts import Attempts
from agents.instances.outcome import Again, Backoff, Done, GivenUp
from agents.instances.restart import RestartPolicy
from agents.processes import tree
from engines.devices import Slice
from profiles.desired.model import InstanceSpec
from profiles.desired.restart import Restart
from profiles.observed.status import Phase, Reason
from tests.fakes.supervised import Agent, spec

EXITED = Reason("exited", "exit code 1")
PLAIN = InstanceSpec(name="a/0", service="a", engine="e", model="m")
OTHER = InstanceSpec(name="a/0", service="a", engine="e", model="n")


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(directory: Path, clock: Clock) -> Attempts:
    """As the next agent opens it."""
    return Attempts(directory / "crashes.json", RestartPolicy(), lambda: 0.5, clock)


def test_ends_lead_to_longer_pauses_and_then_to_giving_up(tmp_path: Path, clock: Clock) -> None:
    attempts = opened(tmp_path, clock)
    assert attempts.begin(PLAIN) is False
    for pause_s in (1.0, 2.0, 4.0, 8.0):
        assert attempts.ended(PLAIN, EXITED, 60.0, "no memory") == Backoff(pause_s, EXITED)
        assert attempts.waits(PLAIN, failed=False) == Again(pause_s)
        clock.now_s += pause_s
        assert attempts.waits(PLAIN, failed=False) is None
        assert attempts.begin(PLAIN) is True
    given_up = attempts.ended(PLAIN, EXITED, 60.0, "no memory")
    assert isinstance(given_up, GivenUp)
    assert given_up.reason.code == "crash_loop"
    assert "no memory" in given_up.reason.text
    assert attempts.waits(PLAIN, failed=True) == Done()


def test_the_next_agent_knows_the_pause_and_the_count(tmp_path: Path, clock: Clock) -> None:
    first = opened(tmp_path, clock)
    for _ in range(3):
        first.ended(PLAIN, EXITED, 60.0, "")
    second = opened(tmp_path, clock)
    assert second.waits(PLAIN, failed=False) == Again(4.0)
    assert second.ended(PLAIN, EXITED, 60.0, "") == Backoff(8.0, EXITED)
    second.ended(PLAIN, EXITED, 60.0, "")
    assert opened(tmp_path, clock).gave_up(PLAIN) == second.gave_up(PLAIN) is not None


@pytest.mark.parametrize("edited", [OTHER, InstanceSpec(name="a/0", service="a", engine="e", model="m",
                                                        restart=Restart(max_exits=9))])  # fmt: skip
def test_another_attempt_begins_anew(tmp_path: Path, clock: Clock, edited: InstanceSpec) -> None:
    attempts = opened(tmp_path, clock)
    for _ in range(5):
        attempts.ended(PLAIN, EXITED, 60.0, "")
    assert attempts.gave_up(PLAIN)
    assert attempts.gave_up(edited) is None
    assert attempts.waits(edited, failed=True) is None
    assert attempts.begin(edited) is False
    assert attempts.ended(edited, EXITED, 60.0, "") == Backoff(1.0, EXITED)


def test_being_stable_or_stopped_makes_ends_forgotten(tmp_path: Path, clock: Clock) -> None:
    attempts = opened(tmp_path, clock)
    for _ in range(4):
        attempts.ended(PLAIN, EXITED, 60.0, "")
    attempts.forget()
    assert opened(tmp_path, clock).ended(PLAIN, EXITED, 60.0, "") == Backoff(1.0, EXITED)


def test_a_reboot_begins_anew(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = opened(tmp_path, clock)
    for _ in range(5):
        attempts.ended(PLAIN, EXITED, 60.0, "")
    monkeypatch.setattr(tree, "boot_id", lambda: "another")
    assert opened(tmp_path, clock).gave_up(PLAIN) is None


def test_a_damaged_file_counts_as_none(tmp_path: Path, clock: Clock) -> None:
    opened(tmp_path, clock).ended(PLAIN, EXITED, 60.0, "")
    (tmp_path / "crashes.json").write_bytes(b"{torn")
    (tmp_path / "crashes.json.prev").unlink(missing_ok=True)
    assert opened(tmp_path, clock).waits(PLAIN, failed=False) is None


def test_a_directory_that_is_not_there_yet_keeps_the_count_in_memory(tmp_path: Path, clock: Clock) -> None:
    attempts = opened(tmp_path / "none", clock)
    assert attempts.ended(PLAIN, EXITED, 60.0, "") == Backoff(1.0, EXITED)
    assert attempts.ended(PLAIN, EXITED, 60.0, "") == Backoff(2.0, EXITED)


async def test_a_crash_loop_stands_across_agents_until_it_is_edited(agent: Agent) -> None:
    agent.set(spec("chat/0", "--crash-at-start"))
    failed = await agent.until_phase(Phase.FAILED)
    await agent.kill()
    agent.start()
    again = await agent.until_phase(Phase.FAILED)
    assert again.reason == failed.reason
    log = agent.supervisor.log_path("chat/0", previous=False)
    assert log is not None
    assert log[1] == 3, "nothing was started again"
    agent.set(spec("chat/0", "--crash-at-start", restarts_asked=1))
    await agent.until(lambda one: one.phase is Phase.FAILED and one.since_unix_s > again.since_unix_s)


async def test_the_rule_is_live_and_a_new_one_is_another_chance(agent: Agent) -> None:
    agent.set(spec(restart=Restart(max_exits=9)))
    ready = await agent.until_phase(Phase.READY)
    agent.set(spec(restart=Restart(max_exits=1)))
    assert ready.pid is not None
    os.kill(ready.pid, signal.SIGKILL)
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert "at most 1 in 600 s" in failed.reason.text
    agent.set(spec(restart=Restart(max_exits=2)))
    await agent.until_phase(Phase.READY)


async def test_turns_are_fair_and_name_who_loads(agent: Agent) -> None:
    gpu = (Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=1000),)
    agent.set(spec("a/0", "--load-s", "1", slices=gpu), spec("b/0", slices=gpu), spec("c/0", slices=gpu))
    waiting = await agent.until(lambda one: one.reason is not None and one.reason.code == "waiting_for_gpu", "c/0")
    assert waiting.phase is Phase.PENDING
    assert waiting.reason is not None
    assert waiting.reason.text in ("a/0 loads on the same GPU", "b/0 is next to load on the same GPU")
    for name in ("a/0", "b/0", "c/0"):
        await agent.until_phase(Phase.READY, name)
    starts = [event.instance for event in agent.events.after(0, 99) if "→ starting" in event.text]
    assert starts == ["a/0", "b/0", "c/0"]
