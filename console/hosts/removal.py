"""Take an agent off a host: its daemon, its service, its files. Refused while engines run there."""

import time

from console.hosts import unit
from console.hosts.choice import Choice, choose
from console.hosts.errors import HostError, StepFailed
from console.hosts.facts import Facts
from console.hosts.host import Host
from console.hosts.install import Progress
from console.hosts.report import Outcome, Result
from console.inventory import Node
from console.remote.errors import RemoteError
from console.remote.ssh import Dialler
from profiles.observed.status import Reason


async def remove(name: str, node: Node, dialler: Dialler, progress: Progress) -> Result:
    """Never raises for what a host or the way to it does: the result says it."""
    began = time.monotonic()
    result = Result(name)
    try:
        await _remove(result, node, dialler, progress)
    except (HostError, RemoteError) as error:
        result.failed(error.reason, unreachable=isinstance(error, RemoteError))
    result.seconds = time.monotonic() - began
    return result


async def _remove(result: Result, node: Node, dialler: Dialler, progress: Progress) -> None:
    if node.local:
        text = "this machine runs the agent of the console's own installation"
        raise StepFailed(Reason("local", text, "end it with a signal; its files are its state directory"))
    progress("connect", 0)
    connection = await dialler.login(node)
    try:
        host = Host(connection)
        result.step = "probe"
        progress("probe", 0)
        facts = await host.facts()
        choice = choose(facts)
        if isinstance(choice, Reason):
            raise StepFailed(choice)
        if not facts.build and not facts.state_exists:
            result.outcome = Outcome.UNCHANGED
            return
        if facts.engines:
            text = f"{facts.engines} engine{'s' if facts.engines > 1 else ''} of it still run there"
            raise StepFailed(Reason("engines", text, "stop them, or give --stop-engines"))
        result.step = "place"
        progress("delete", 0)
        await host.run("remove", _values(facts, choice))
        result.outcome = Outcome.DONE
    finally:
        await connection.close()


def _values(facts: Facts, choice: Choice) -> dict[str, str]:
    """The variables of remove.sh."""
    return {
        "root": choice.root,
        "program": choice.program,
        "state": facts.state,
        "user_unit": f"{facts.home}/.config/systemd/user/{unit.NAME}",
        "keep_state": "",
    }
