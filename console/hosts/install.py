"""Bring one host in, or its agent up to date: from a login to an agent that says Hello.

connect ─► probe ─► choose ─► gather ─► send ─► verify ─► unpack ─► check ─► switch ─► start ─► greet
                      └─ nothing to do where this build runs already          a failure leaves the host as it was
"""

import getpass
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from agents.wire import Hello
from console.hosts import unit
from console.hosts.choice import Choice, choose
from console.hosts.errors import HostError, StepFailed
from console.hosts.facts import Facts
from console.hosts.host import Host, incoming
from console.hosts.payload import Part, Payload
from console.hosts.report import Outcome, Result
from console.hosts.stock import Stock
from console.inventory import Node
from console.remote.errors import RemoteError
from console.remote.ssh import Dialler
from profiles.observed.status import Reason

STEPS = ("connect", "probe", "gather", "send", "place", "greet")
Intent = Literal["install", "upgrade"]
Progress = Callable[[str, float], None]
"""The step that begins or goes on, and how much of it is done, 0 to 1."""


@dataclass(frozen=True)
class Ready:
    """What is known once a host was probed and what it shall get is at hand."""

    facts: Facts
    choice: Choice
    payload: Payload


class Installer:
    """For many hosts: one dialler, one stock of what they get. `at_boot` is what choice.choose takes."""

    def __init__(self, dialler: Dialler, stock: Stock, *, at_boot: bool = False) -> None:
        self._dialler = dialler
        self._stock = stock
        self._at_boot = at_boot
        self._own = Hello(version=version("gpuyard"), author=getpass.getuser())

    async def bring(self, name: str, node: Node, intent: Intent, progress: Progress) -> Result:
        """Never raises for what a host or the way to it does: the result says it."""
        began = time.monotonic()
        result = Result(name)
        try:
            await self._bring(result, node, intent, progress)
        except (HostError, RemoteError) as error:
            result.failed(error.reason, unreachable=isinstance(error, RemoteError))
        result.seconds = time.monotonic() - began
        return result

    async def _bring(self, result: Result, node: Node, intent: Intent, progress: Progress) -> None:
        if node.local:
            hint = "the console runs the agent of its own installation here"
            raise StepFailed(Reason("local", "this machine needs no installation", hint))
        result.step = "connect"
        progress("connect", 0)
        connection = await self._dialler.login(node)
        try:
            host = Host(connection)
            result.step = "probe"
            progress("probe", 0)
            facts = await host.facts()
            choice = _chosen(facts, node, self._at_boot)
            result.chosen(choice)
            result.step = "gather"
            progress("gather", 0)
            ready = Ready(facts, choice, await self._stock.payload(choice))
            if await self._runs(host, ready, result):
                return
            _check_intent(ready, intent)
            await self._put(host, ready, result, progress)
        finally:
            await connection.close()

    async def _runs(self, host: Host, ready: Ready, result: Result) -> bool:
        """Whether this very build is installed and answers."""
        if ready.facts.build != ready.payload.build or ready.facts.daemon_pid is None or self._is_wanting(ready):
            return False
        try:
            seen = await host.greet(self._own)
        except RemoteError:
            return False
        result.seen(seen)
        if seen.hello.version == ready.payload.version:
            result.outcome = Outcome.UNCHANGED
        return result.outcome is Outcome.UNCHANGED

    def _is_wanting(self, ready: Ready) -> bool:
        """Whether it should be started at boot, and is not yet."""
        facts = ready.facts
        return self._at_boot and bool(ready.choice.after_boot) and not (facts.at_boot or facts.unit)

    async def _put(self, host: Host, ready: Ready, result: Result, progress: Progress) -> None:
        choice, payload = ready.choice, ready.payload
        place = incoming("/opt" if ready.facts.is_root else ready.facts.home)
        shipped = Payload(payload.form, payload.version, [*payload.parts, *_unit_part(choice)])
        size = len(shipped.archive)
        result.step = "send"
        progress("send", 0)
        await host.receive(place, shipped.archive, lambda sent: progress("send", sent / size))
        result.step = "place"
        progress("place", 0)
        values = _values(ready, place) | {"sums": shipped.sums}
        said = await host.run("place", values)
        result.step = "greet"
        progress("greet", 0)
        try:
            seen = await host.greet(self._own)
            result.seen(seen)
            if seen.hello.version != payload.version:
                text = f"an agent of version {seen.hello.version} answers, not the new one"
                raise StepFailed(Reason("greet", text, "see `agent` and `socket` in the inventory, and who runs it"))
        except (RemoteError, StepFailed):
            await _back(host, ready, said.get("before", ""), values)
            raise
        result.outcome = Outcome.DONE


def _chosen(facts: Facts, node: Node, at_boot: bool) -> Choice:
    """Raises StepFailed."""
    if facts.is_served and not facts.is_root and not facts.build:
        hint = "nothing needs to be installed: ask its admin for a role (roles.toml), then this login reaches it"
        raise StepFailed(Reason("served", "root's agent serves this host already", hint))
    choice = choose(facts, at_boot=at_boot)
    if isinstance(choice, Reason):
        raise StepFailed(choice)
    if node.agent is not None and node.agent != choice.program:
        text = f"the inventory names another agent, {node.agent}"
        raise StepFailed(Reason("agent", text, "leave `agent` out: what is installed is found without it"))
    return choice


def _check_intent(ready: Ready, intent: Intent) -> None:
    """Raises StepFailed."""
    build = ready.facts.build
    if intent == "upgrade" and not build:
        raise StepFailed(Reason("not_installed", "nothing was installed there", "`gpuyard node install` does that"))
    if intent == "install" and build and build != ready.payload.build:
        text = f"it has build {build}, this console {ready.payload.build}"
        raise StepFailed(Reason("other_build", text, "`gpuyard node upgrade` changes it, engines go on"))


def _unit_part(choice: Choice) -> list[Part]:
    text = unit.text(choice)
    return [Part(unit.NAME, text.encode())] if text else []


def _values(ready: Ready, place: str) -> dict[str, str]:
    """The variables of place.sh."""
    choice, python = ready.choice, ready.choice.python
    return {
        "root": choice.root,
        "incoming": place,
        "build": ready.payload.build,
        "form": ready.payload.form,
        "version": ready.payload.version,
        "python": python.path if python else "",
        "pydir": f"python{choice.target.python}" if python else "",
        "program": choice.program,
        "state": choice.state,
        "socket": unit.socket(choice),
        "service": choice.service,
        "unit": unit.path(choice, ready.facts.home),
        "at_boot": choice.after_boot,
    }


async def _back(host: Host, ready: Ready, before: str, values: dict[str, str]) -> None:
    """The new build runs and does not answer us. Raises StepFailed, RemoteError."""
    if before:
        await host.run("back", values | {"before": before})
    else:
        keep_state = "1" if ready.facts.state_exists else ""
        await host.run("remove", values | {"user_unit": values["unit"], "keep_state": keep_state})
