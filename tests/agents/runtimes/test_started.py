"""Real engines started from runtimes, and what becomes of them when an agent dies or a runtime changes."""

import sys
from pathlib import Path

import pytest

from agents import state
from agents.instances.runner import Started
from agents.runtimes.runtimes import Used
from engines.abilities import Package
from profiles.observed.status import Phase
from tests.fakes.supervised import Agent, FakeEngine, spec


@pytest.fixture
def wrapper(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is this Python, and an agent.toml that names it `a` and, after another one, `b`."""
    package = Package(program="serve", checked=("1", "1"))
    monkeypatch.setattr(FakeEngine, "package", package, raising=False)
    path = agent.layout.state / "serve"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 1.2.3 && exit\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    agent.layout.settings.write_text(
        f'[runtimes.a]\nengine = "fake"\nbinary = "{path}"\n[runtimes.b]\nengine = "fake"\nprefix = ["/usr/bin/env"]\n'
    )
    return path


def used(agent: Agent) -> Used | None:
    found = state.load(agent.layout.instance("chat/0").spec, Started)
    assert isinstance(found, Started)
    return found.used


async def test_the_next_agent_knows_what_an_engine_was_started_from(agent: Agent, wrapper: Path) -> None:
    agent.set(spec(runtime="a"))
    first = await agent.until_phase(Phase.READY)
    assert used(agent) == Used(name="a", program=str(wrapper), version="1.2.3")
    await agent.kill()
    agent.layout.settings.unlink()
    agent.start()
    assert (await agent.until_phase(Phase.READY)).pid == first.pid
    found = agent.supervisor.serving("chat/0")
    assert found
    assert found.described.launch.version == "1.2.3"


async def test_another_runtime_is_a_restart_and_one_that_went_says_so(agent: Agent, wrapper: Path) -> None:
    agent.set(spec(runtime="a"))
    first = await agent.until_phase(Phase.READY)
    agent.set(spec(runtime="gone"))
    failed = await agent.until_phase(Phase.FAILED)
    assert (failed.reason and failed.reason.code) == "runtime_missing"
    assert "runtimes of fake here: a, b" in (failed.reason.hint if failed.reason else "")
    agent.set(spec(runtime="a"))
    second = await agent.until(lambda one: one.phase is Phase.READY and one.pid != first.pid)
    assert agent.mine() == [second.pid]


async def test_with_several_and_none_named_the_path_decides(agent: Agent, wrapper: Path) -> None:
    agent.set(spec())
    await agent.until_phase(Phase.READY)
    assert used(agent) is None


async def test_a_prefix_becomes_the_engine(agent: Agent, wrapper: Path) -> None:
    (agent.layout.state / "bin").mkdir()
    wrapper.rename(agent.layout.state / "bin" / "serve")
    text = f'[runtimes.b]\nengine = "fake"\nprefix = ["/usr/bin/env", "PATH={agent.layout.state}/bin:/bin"]\n'
    agent.layout.settings.write_text(text)
    agent.set(spec())
    ready = await agent.until_phase(Phase.READY)
    assert used(agent) == Used(
        name="b", program="serve", version="1.2.3", prefix=("/usr/bin/env", f"PATH={agent.layout.state}/bin:/bin")
    )
    assert agent.mine() == [ready.pid]
