"""A first look at hosts: do they answer, and is their host key known? A person at a terminal may vouch for it."""

from collections.abc import Mapping

from console.cli.output import ask, is_interactive, say
from console.hosts.trusting import Look, look, look_at
from console.inventory import Node
from console.remote import hostkeys
from console.remote.ssh import Dialler


async def meet(nodes: Mapping[str, Node]) -> dict[str, Look]:
    """All at once; then the questions, one after the other."""
    dialler = Dialler()
    try:
        looks = await look_at(nodes, dialler)
        for name, node in nodes.items():
            while _is_confirmed(name, looks[name]):
                looks[name] = await look(node, dialler)
        return looks
    finally:
        await dialler.close()


def _is_confirmed(name: str, seen: Look) -> bool:
    """Shows an unknown key and asks; a yes stores it. --yes is no answer to this."""
    key = seen.key
    if key is None or not is_interactive():
        return False
    say(f"{name}: the host key of {key.host} port {key.port} is not known")
    say(f"{name}: {key.algorithm} {key.fingerprint}")
    if not ask(f"{name}: does its admin confirm this fingerprint? Store it?"):
        return False
    hostkeys.store(key)
    return True
