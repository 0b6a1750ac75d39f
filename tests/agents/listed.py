"""What survey and termination are tried on: an agent's survey, and a worker that its instance left behind."""

import os
import shutil
import signal

from agents.processes.survey import Survey
from agents.redaction import Redactor
from profiles.observed.status import Phase
from tests.fakes.supervised import Agent, spec


def survey(agent: Agent) -> Survey:
    redactor = Redactor({"token": ["canary-value"]})
    return Survey(agent.layout.state, agent.board, agent.supervisor.living, lambda: redactor)


async def left_behind(agent: Agent) -> int:
    """A worker of an instance that the agent no longer knows: its record was lost while no agent ran."""
    agent.set(spec("chat/0", "--children", "1", "--ignore-term"))
    ready = await agent.until_phase(Phase.READY)
    assert ready.pid is not None
    [worker] = [pid for pid in agent.mine() if pid != ready.pid]
    process = agent.supervisor._keepers["chat/0"].runner.process
    assert process is not None
    await agent.kill()
    for pid in (process.handle.shim_pid, ready.pid):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(agent.layout.instance("chat/0").directory)
    agent.layout.desired.unlink()
    agent.layout.desired.with_name("desired.json.prev").unlink(missing_ok=True)
    shutil.rmtree(agent.layout.revisions, ignore_errors=True)
    agent.start()
    return worker
