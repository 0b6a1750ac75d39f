"""The ports of instances: who listens where they should, as /proc/net/tcp says (proc(5))."""

from collections.abc import Iterator
from typing import NamedTuple

from agents import state
from agents.doctor.subject import Subject
from agents.errors import BadState
from agents.processes.process import Handle
from profiles.desired.model import Desired, DesiredInstance, Wanted
from profiles.observed.finding import Finding, info, ok, problem

_LISTENS = "0A"
_EVERYWHERE = ("00000000", "0" * 32)


class Listener(NamedTuple):
    """`everywhere`: on every address of the machine, not on loopback alone."""

    everywhere: bool


def look(subject: Subject) -> Iterator[Finding]:
    listening = listeners(subject)
    for name, owned in sorted(desired(subject).instances.items()):
        port, runs = _port(subject, name, owned)
        if port is not None:
            yield _judge(name, port, runs, owned, listening.get(port))


def desired(subject: Subject) -> Desired:
    """What the agent's document says; nothing where it cannot be read."""
    try:
        found = state.peek(subject.layout.desired, Desired)
    except BadState:
        return Desired()
    return found if isinstance(found, Desired) else Desired()


def listeners(subject: Subject) -> dict[int, Listener]:
    """By port, of IPv4 and IPv6."""
    found: dict[int, Listener] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = (subject.root / "proc/net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if len(fields) > 3 and fields[3] == _LISTENS:
                address, _, port = fields[1].partition(":")
                before = found.get(int(port, 16), Listener(False))
                found[int(port, 16)] = Listener(before.everywhere or address in _EVERYWHERE)
    return found


def _port(subject: Subject, name: str, owned: DesiredInstance) -> tuple[int | None, bool]:
    """The port, and whether an engine of ours lives that was given it."""
    try:
        handle = state.peek(subject.layout.instance(name).handle, Handle)
    except BadState:
        handle = None
    if isinstance(handle, Handle):
        lives = (subject.root / "proc" / str(handle.pid)).is_dir()
        return (handle.port, True) if lives else (owned.spec.port, False)
    return owned.spec.port, False


def _judge(name: str, port: int, runs: bool, owned: DesiredInstance, listener: Listener | None) -> Finding:
    if runs:
        if listener is None:
            return info("instance_port", f"{name}: nothing listens on {port} yet", "see its phase: it may still load")
        if listener.everywhere:
            fix = "who reaches this machine reaches the engine: keep it on 127.0.0.1, or behind a firewall"
            return info("instance_port", f"{name} listens on {port}, on every address", fix)
        return ok("instance_port", f"{name} listens on {port}")
    if listener is not None and owned.spec.wanted is Wanted.RUNNING:
        fix = f"stop what listens there (`ss -ltnp 'sport = {port}'`), or give the instance another port"
        return problem("instance_port", f"{name} is to have port {port}, which another process has", fix)
    return ok("instance_port", f"{name}: port {port} is kept for it")
