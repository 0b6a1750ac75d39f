import asyncio
import os
import signal
import socket
from pathlib import Path

import msgspec
import pytest

from agents import state
from agents.errors import Refused
from agents.instances import keeper, supervisor
from agents.instances.runner import Ended, Runner
from agents.processes import process
from agents.processes.process import port_is_free
from agents.wire import SetDesired
from engines import registry
from engines.base import LoadProgress
from engines.devices import Slice
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, SecretRef, Wanted
from profiles.desired.resources import Limits
from profiles.observed.isolation import Tier
from profiles.observed.status import EventKind, Phase
from tests.fakes.supervised import Agent, FakeEngine, spec


async def test_start_ready_stop_leaves_nothing(agent: Agent) -> None:
    agent.set(spec("chat/0", "--load-s", "0.8"))
    loading = await agent.until(lambda one: one.load is not None and one.load.step == "weights")
    assert loading.load == LoadProgress(step="weights", ratio=0.5, elapsed_s=0.0)
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid in agent.mine()
    assert ready.port is not None
    assert not port_is_free(ready.port)
    agent.set(spec("chat/0", "--load-s", "0.8", wanted=Wanted.STOPPED))
    await agent.until_phase(Phase.STOPPED)
    assert agent.mine() == []
    assert port_is_free(ready.port)
    kinds = [(event.kind, event.author) for event in agent.events.after(0, 99)]
    assert (EventKind.DESIRED, "ann") in kinds
    assert (EventKind.EXIT, "") in kinds


async def test_what_was_preempted_says_for_whom(agent: Agent) -> None:
    agent.set(spec("chat/0"))
    await agent.until_phase(Phase.READY)
    owned = agent.board.desired.instances["chat/0"]
    owned = msgspec.structs.replace(
        owned, spec=msgspec.structs.replace(owned.spec, wanted=Wanted.STOPPED), preempted_for="chat-70b of prod"
    )
    agent.supervisor.set_desired(
        SetDesired(expected_generation=1, instances={"chat/0": owned}, author="ann", reason="apply"), "ann"
    )
    stopped = await agent.until_phase(Phase.STOPPED)
    assert stopped.reason is not None
    assert (stopped.reason.code, stopped.reason.text) == ("preempted", "stopped to make room for chat-70b of prod")


async def test_stop_kills_what_ignores_sigterm_with_its_children(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.supervisor._context = msgspec.structs.replace(agent.supervisor._context, grace_s=0.3)
    agent.set(spec("chat/0", "--ignore-term", "--children", "2"))
    await agent.until_phase(Phase.READY)
    assert len(agent.mine()) == 3
    agent.set()
    async with asyncio.timeout(20):
        while agent.status() is not None:
            await asyncio.sleep(0.02)
    assert agent.mine() == []
    assert not agent.layout.instance("chat/0").directory.exists()


async def test_a_crash_backs_off_restarts_and_ends_as_a_crash_loop(agent: Agent) -> None:
    agent.set(spec("chat/0", "--crash-at-start"))
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert failed.reason.code == "crash_loop"
    assert "RuntimeError: the model does not fit" in failed.reason.text
    assert failed.restarts == 2
    codes = [event.code for event in agent.events.after(0, 99) if event.kind is EventKind.EXIT]
    assert codes == ["exited"] * 3
    agent.set(spec())
    assert (await agent.until_phase(Phase.READY)).restarts == 0
    assert agent.supervisor.log_path("chat/0", previous=True) is not None


async def test_a_start_that_would_fail_alike_is_not_tried_again_by_the_next_agent_either(agent: Agent) -> None:
    agent.set(spec("chat/0", "--crash-at-start", "serve: error: unrecognized arguments: --max-lenght"))
    failed = await agent.until_phase(Phase.FAILED)
    await agent.kill()
    agent.start()
    assert (await agent.until_phase(Phase.FAILED)).reason == failed.reason
    assert failed.reason is not None
    assert failed.reason.code == "bad_option"
    assert "the engine refuses an option: serve: error: unrecognized arguments: --max-lenght" in failed.reason.text
    assert failed.reason.hint == "correct it in `options`, or leave it out"
    assert failed.restarts == 0
    assert len([event for event in agent.events.after(0, 99) if event.kind is EventKind.EXIT]) == 1
    agent.set(spec())
    await agent.until_phase(Phase.READY)


async def test_what_may_pass_is_tried_again_and_says_what_to_do(agent: Agent) -> None:
    agent.set(spec("chat/0", "--crash-at-start", "OSError: [Errno 28] No space left on device"))
    waits = await agent.until_phase(Phase.BACKOFF)
    assert waits.reason is not None
    assert (waits.reason.code, waits.reason.hint) == (
        "disk_full", "make room where models and caches are kept: `df -h`"
    )  # fmt: skip
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert failed.reason.code == "crash_loop"
    assert failed.reason.hint.startswith("make room")


async def test_an_engine_that_served_is_not_given_up_for_what_its_log_tells(agent: Agent) -> None:
    told = "serve: error: unrecognized arguments: --max-lenght"
    agent.set(spec("chat/0", "--log", told, "--crash-after-s", "1.0"))
    await agent.until_phase(Phase.READY)
    waits = await agent.until_phase(Phase.BACKOFF)
    assert waits.reason is not None
    assert waits.reason.code == "exited"
    assert told in waits.reason.text


async def test_a_killed_engine_comes_back_with_its_port(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    second = await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    assert (second.port, second.restarts) == (first.port, 1)
    assert any("killed by SIGKILL" in event.text for event in agent.events.after(0, 99))


async def test_the_next_agent_adopts_the_same_process(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    await agent.kill()
    assert agent.mine() == [first.pid]
    agent.start()
    second = await agent.until_phase(Phase.READY)
    assert (second.pid, second.port) == (first.pid, first.port)
    assert agent.mine() == [first.pid]
    assert agent.board.desired.generation == 1


async def test_what_ended_without_an_agent_is_told_and_started_again(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    await agent.kill()
    assert first.pid is not None
    os.kill(first.pid, signal.SIGTERM)
    agent.start()
    await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    assert any("exit code 0" in event.text for event in agent.events.after(0, 99))


async def test_an_agent_killed_while_it_stops_an_engine_leaves_no_crash_behind(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    monkeypatch.setattr(process, "kill_all", asyncio.Event().wait)  # the stop gets no further than the signal
    agent.set(spec(restarts_asked=1))
    async with asyncio.timeout(20):
        while first.pid in agent.mine():
            await asyncio.sleep(0.01)
    await agent.kill()
    monkeypatch.undo()
    monkeypatch.setattr(registry, "get", {"fake": FakeEngine()}.__getitem__)
    agent.start()
    second = await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    assert second.restarts == 0
    told = [event.code for event in agent.events.after(0, 99) if event.kind is EventKind.EXIT]
    assert told == ["asked"]
    assert not agent.layout.instance("chat/0").stop.exists()


async def test_an_agent_killed_while_starting_leaves_one_engine_at_most(agent: Agent) -> None:
    agent.set(spec("chat/0", "--load-s", "0.2"))
    await agent.until(lambda one: one.phase in (Phase.STARTING, Phase.LOADING))
    await agent.kill()
    agent.start()
    ready = await agent.until_phase(Phase.READY)
    assert agent.mine() == [ready.pid]


async def test_a_lost_document_stops_nothing(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    await agent.kill()
    agent.layout.desired.write_bytes(b"{torn")
    agent.start()
    assert (await agent.until_phase(Phase.READY)).pid == first.pid
    assert any(event.code == "state_damaged" for event in agent.events.after(0, 99))


async def test_restart_asked_and_changed_settings_replace_the_process(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    agent.set(spec(restarts_asked=1))
    second = await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    agent.set(spec("chat/0", "--load-s", "0.1", restarts_asked=1))
    third = await agent.until(lambda one: one.phase is Phase.READY and one.pid != second.pid)
    assert agent.mine() == [third.pid]
    assert third.restarts == 0


async def test_an_engine_that_never_serves_meets_its_deadline(agent: Agent) -> None:
    agent.set(spec(options={"extra_args": ["--hang"], "deadline_s": 0.5}))
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert "not ready after" in failed.reason.text
    assert agent.mine() == []


async def test_one_start_at_a_time_per_gpu(agent: Agent) -> None:
    gpu = (Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=1000),)
    agent.set(spec("a/0", "--load-s", "1", slices=gpu), spec("b/0", slices=gpu))
    await agent.until_phase(Phase.READY, "a/0")
    await agent.until_phase(Phase.READY, "b/0")
    moves = [(event.instance, event.text) for event in agent.events.after(0, 99) if event.kind is EventKind.PHASE]
    first = moves[0][0]
    ready = next(at for at, (name, text) in enumerate(moves) if name == first and "→ ready" in text)
    second_start = next(at for at, (name, text) in enumerate(moves) if name != first and "→ starting" in text)
    assert ready < second_start


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"options": {"program": "no-such-engine"}}, "program_missing"), ({"model": "/nowhere/m.gguf"}, "model_missing"),
     ({"env": {"TOKEN": SecretRef("none")}}, "secret_missing")],
)  # fmt: skip
async def test_what_cannot_heal_fails_once_with_a_reason(agent: Agent, changes: dict[str, object], code: str) -> None:
    agent.set(msgspec.structs.replace(spec(), **changes))
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert failed.reason.code == code
    assert failed.reason.hint
    assert agent.mine() == []
    agent.set(spec())
    await agent.until_phase(Phase.READY)


async def test_a_port_in_use_is_named(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        agent.set(spec(port=port))
        failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert failed.reason.code == "port_in_use"
    assert str(port) in failed.reason.text


async def test_an_engine_that_wants_a_key_is_asked_with_it_by_the_next_agent_too(agent: Agent) -> None:
    secret = agent.layout.secret("key")
    secret.touch(mode=0o600)
    secret.write_text("pass-5ecret\n")
    agent.set(spec("chat/0", "--running", "3", env={"FAKE_API_KEY": SecretRef("key")}))
    await agent.until_phase(Phase.READY)
    secret.write_text("another\n")  # the engine goes on with the one that it has
    for _ in range(2):
        dialogue = agent.supervisor.serving("chat/0")
        assert dialogue is not None
        sample = await dialogue.sample()
        assert sample is not None
        assert sample.running == 3
        await agent.kill()
        agent.start()
        await agent.until_phase(Phase.READY)


async def test_a_secret_reaches_the_engine_and_nothing_else(agent: Agent, tmp_path: Path) -> None:
    value = "s3cr3t-value-of-the-test"
    agent.layout.secret("hf").write_text(value + "\n")
    agent.layout.secret("hf").chmod(0o600)
    seen = tmp_path / "environment"
    agent.set(spec("chat/0", "--dump-env", str(seen), env={"HF_TOKEN": SecretRef("hf")}))
    ready = await agent.until_phase(Phase.READY)
    environment = dict(line.split("=", 1) for line in seen.read_text().splitlines())
    assert environment["HF_TOKEN"] == value
    assert environment["GPUYARD_INSTANCE"] == "chat/0"
    assert "VIRTUAL_ENV" not in environment
    files = [path for path in agent.layout.state.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    assert files
    assert not [path for path in files if value.encode() in path.read_bytes()]
    shim = agent.supervisor._keepers["chat/0"].runner.process.handle.shim_pid  # type: ignore[union-attr]
    for pid in (ready.pid, shim):
        assert value.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert value.encode() not in Path(f"/proc/{shim}/environ").read_bytes()


async def test_a_stale_edit_names_the_last_one(agent: Agent) -> None:
    assert agent.set() == 1
    request = SetDesired(expected_generation=0, instances={}, author="bob", reason="")
    with pytest.raises(Refused, match=r"generation 1.*ann.*because") as refused:
        agent.supervisor.set_desired(request, "bob")
    assert "since then" not in refused.value.message
    assert refused.value.code == "stale"
    kept = state.load(agent.layout.desired, Desired)
    assert isinstance(kept, Desired)
    assert kept.generation == 1


async def test_an_edit_is_kept_with_its_text_and_said_in_short(agent: Agent) -> None:
    stopped = msgspec.structs.replace(spec(), wanted=Wanted.STOPPED)
    owned = DesiredInstance(profile="p", revision=1, spec=stopped)
    request = SetDesired(
        expected_generation=0, instances={"chat/0": owned}, author="ann", reason="because", profile_text="services:"
    )
    agent.supervisor.set_desired(request, "ann")
    assert agent.supervisor.revisions.document(1).profile_text == "services:"
    assert agent.events.after(0, 99)[-1].text == "generation 1: because: + chat/0"
    with pytest.raises(Refused, match=r"since then ann: \+ chat/0"):
        agent.supervisor.set_desired(request, "bob")
    await agent.kill()
    agent.layout.desired.unlink()
    agent.start()
    assert agent.board.desired.generation > 1, "a number that was given away is not given again"
    assert agent.board.desired.instances == {"chat/0": owned}
    assert [head.generation for head in agent.supervisor.revisions.heads()][:2] == [0, 1]


@pytest.mark.parametrize(
    "bad",
    [spec("../x"), spec("Chat/0"), spec(env={"LD_PRELOAD": "x"}), spec(env={"PATH": "x"}), spec(port=22),
     spec(options={"flag": []}), spec(model="--help")],
)  # fmt: skip
async def test_what_could_never_run_is_refused_before_it_is_written(agent: Agent, bad: InstanceSpec) -> None:
    with pytest.raises(Refused) as refused:
        agent.set(bad)
    assert refused.value.code == "invalid"
    assert not agent.layout.desired.exists()


async def test_an_engine_that_leaves_no_record_is_lost_and_comes_back(agent: Agent) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    living = agent.supervisor._keepers["chat/0"].runner.process
    assert living is not None
    os.kill(living.handle.shim_pid, signal.SIGKILL)
    os.kill(living.handle.pid, signal.SIGKILL)
    await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    assert any(event.text.startswith("ready → lost") for event in agent.events.after(0, 99))


async def test_limits_are_held_or_said_not_to_be(agent: Agent) -> None:
    agent.set(spec(limits=Limits(memory_mib=512, cpus="0")))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    assert ready.isolation is not None
    assert ready.isolation.tier is Tier.PLAIN
    assert os.sched_getaffinity(ready.pid) == {0}
    assert set(ready.isolation.enforced) == {"cpus"}
    assert "without a cgroup" in ready.isolation.not_enforced["memory"]


async def test_a_cpu_that_is_not_there_is_refused_before_anything_runs(agent: Agent) -> None:
    agent.set(spec(limits=Limits(cpus="0,4000")))
    failed = await agent.until_phase(Phase.FAILED)
    assert failed.reason is not None
    assert (failed.reason.code, failed.reason.text) == ("cpus_missing", "this node has no CPU 4000")


@pytest.mark.parametrize("limits", [Limits(memory_mib=1), Limits(cpu_weight=0), Limits(cpus="x")])
async def test_limits_that_cannot_be_are_refused(agent: Agent, limits: Limits) -> None:
    with pytest.raises(Refused) as refused:
        agent.set(spec(limits=limits))
    assert refused.value.code == "invalid"
    assert refused.value.hint


async def test_an_adoption_that_fails_is_tried_again_before_anything_is_started(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.set(spec())
    first = await agent.until_phase(Phase.READY)
    await agent.kill()
    adopt, failures = Runner.adopt, [OSError("too many open files")] * 2

    async def failing(runner: Runner) -> Ended | None:
        if failures:
            raise failures.pop()
        return await adopt(runner)

    monkeypatch.setattr(Runner, "adopt", failing)
    monkeypatch.setattr(keeper, "TROUBLE_S", 0.1)
    agent.start()
    seen = await agent.until(lambda one: one.reason is not None and one.reason.code == "node_error")
    assert seen.phase is Phase.PENDING
    assert (await agent.until_phase(Phase.READY)).pid == first.pid
    assert agent.mine() == [first.pid]


async def test_a_mistake_in_one_keeper_costs_no_engine_and_no_neighbour(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.set(spec(), spec("other/0"))
    first = await agent.until_phase(Phase.READY)
    other = await agent.until_phase(Phase.READY, "other/0")
    monkeypatch.setattr(supervisor, "FALLEN_S", 0.1)
    fallen = agent.supervisor._keepers["chat/0"]
    monkeypatch.setattr(fallen, "_step", lambda: 1 / 0)
    fallen.wake()
    async with asyncio.timeout(20):
        while agent.supervisor._keepers.get("chat/0") in (fallen, None):
            await asyncio.sleep(0.02)
    assert (await agent.until_phase(Phase.READY)).pid == first.pid
    assert sorted(agent.mine()) == sorted(pid for pid in (first.pid, other.pid) if pid is not None)
    assert [event.instance for event in agent.events.after(0, 99) if event.code == "internal"] == ["chat/0"]
