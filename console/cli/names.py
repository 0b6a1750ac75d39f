"""What a person calls an instance → (node, instance); what a person calls a node."""

from collections.abc import Sequence

from console.cli.output import CommandFailed, Exit
from console.cli.session import NO_ANSWER, Reached
from console.naming import Target, fitting, twice
from console.store import Kind
from profiles.observed.status import Reason


def find_instances(found: Reached, names: Sequence[str]) -> list[Target]:
    """`chat/0`, `chat` for every replica, or either after `NODE:`. Raises CommandFailed."""
    targets: dict[Target, None] = {}
    for name in names:
        targets.update(dict.fromkeys(_find(found, name)))
    return list(targets)


def find_instance(found: Reached, name: str) -> Target:
    """Exactly one; a service of one replica is one. Raises CommandFailed."""
    targets = _find(found, name)
    if len(targets) > 1:
        hint = f"say which: {', '.join(instance for _, instance in targets)}"
        raise CommandFailed(Exit.USAGE, Reason("ambiguous", f"{name} has {len(targets)} replicas", hint))
    return targets[0]


def find_service(found: Reached, name: str) -> str:
    """`chat`, or `PROFILE:chat` where two profiles use the name → the name of its key. Raises CommandFailed."""
    known = sorted(key.name for key in found.store.keys(Kind.SERVICE))
    fits = [key for key in known if name in (key, key.partition(":")[2])]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise CommandFailed(
            Exit.USAGE, Reason("ambiguous", f"{name} is of two profiles", f"say which: {', '.join(fits)}")
        )
    hint = f"services: {', '.join(key.partition(':')[2] for key in known) or 'none'}"
    raise CommandFailed(max(Exit.USAGE, found.say_lost()), Reason("not_found", f"no service is called {name}", hint))


def find_logged(found: Reached, name: str) -> Target:
    """An instance, or a process of an agent's own as `describe gpu` names it. Raises CommandFailed."""
    node, _, wanted = name.rpartition(":")
    for view in found.store.nodes.values():
        internals = view.status.internals if view.status else ()
        if node in ("", view.name) and any(one.name == wanted for one in internals):
            return view.name, wanted
    return find_instance(found, name)


def find_node(found: Reached, name: str | None) -> str:
    """A node that answered; left out, the only one there is. Raises CommandFailed."""
    known = ", ".join(sorted(found.store.nodes))
    if name is None and len(found.store.nodes) != 1:
        raise CommandFailed(Exit.USAGE, Reason("ambiguous", "there is more than one node", f"say which: {known}"))
    node = name if name is not None else next(iter(found.store.nodes))
    if node not in found.store.nodes:
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {node}", f"nodes: {known}"))
    view = found.store.nodes[node]
    if not view.counted:
        raise CommandFailed(Exit.UNREACHABLE, view.why or NO_ANSWER)
    return node


def node_or_profile(found: Reached, name: str) -> tuple[str | None, str | None]:
    """What `name` is: a node, else a profile; `node:NAME` and `profile:NAME` where it could be both.

    Raises CommandFailed.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind in ("node", "profile"):
        return (rest, None) if kind == "node" else (None, rest)
    profiles = found.store.profiles()
    if name in found.store.nodes and name in profiles:
        hint = f"say which: node:{name} or profile:{name}"
        raise CommandFailed(Exit.USAGE, Reason("ambiguous", f"{name} is a node and a profile", hint))
    if name in found.store.nodes:
        return name, None
    if name in profiles:
        return None, name
    hint = f"nodes: {', '.join(sorted(found.store.nodes))}; profiles: {', '.join(profiles) or 'none'}"
    raise CommandFailed(
        max(Exit.USAGE, found.say_lost()), Reason("not_found", f"there is no node or profile {name}", hint)
    )


def find_gpu(found: Reached, name: str) -> Target:
    """`NODE/INDEX` → (node, uuid). Raises CommandFailed."""
    node, slash, index = name.rpartition("/")
    if not slash:
        raise CommandFailed(Exit.USAGE, Reason("usage", f"{name} names no GPU", "write NODE/INDEX: `fra-1/0`"))
    view = found.store.nodes[find_node(found, node)]
    gpu = next((gpu for gpu in view.gpus.values() if str(gpu.index) == index), None)
    if gpu is None:
        known = ", ".join(sorted(str(gpu.index) for gpu in view.gpus.values())) or "none"
        raise CommandFailed(Exit.USAGE, Reason("not_found", f"{node} has no GPU {index}", f"it has: {known}"))
    return view.name, gpu.uuid


def process_named(word: str) -> tuple[str, int]:
    """`NODE/PID` → (node, pid), whether they are there or not. Raises CommandFailed."""
    node, _, pid = word.rpartition("/")
    if not node or not (pid.isascii() and pid.isdigit()):
        hint = "write NODE/PID, as `gpuyard processes -o name` lists them"
        raise CommandFailed(Exit.USAGE, Reason("usage", f"{word} names no process", hint))
    return node, int(pid)


def find_process(found: Reached, word: str) -> Target:
    """`NODE/PID` → (node, key), of a node that has listed its processes. Raises CommandFailed."""
    node, pid = process_named(word)
    view = found.store.nodes[find_node(found, node)]
    if view.unlisted is not None:
        raise CommandFailed(Exit.FAILED, view.unlisted)
    name = next((name for name, one in view.processes.items() if one.pid == pid), None)
    if name is None:
        text = f"{node} lists no process {pid} on a GPU or of an instance"
        raise CommandFailed(Exit.FAILED, Reason("not_found", text, "see `gpuyard processes`"))
    return node, name


def _find(found: Reached, name: str) -> list[Target]:
    node, _, _ = name.rpartition(":")
    targets = fitting(found.store, name)
    if not targets:
        raise _not_found(found, name, node)
    if double := twice(targets):
        hint = f"say which: {', '.join(f'{at}:{instance}' for at, instance in targets if instance == double)}"
        raise CommandFailed(Exit.USAGE, Reason("ambiguous", f"{double} is on more than one node", hint))
    return targets


def _not_found(found: Reached, name: str, node: str) -> CommandFailed:
    if node and node not in found.store.nodes:
        known = ", ".join(sorted(found.store.nodes))
        return CommandFailed(Exit.USAGE, Reason("not_found", f"there is no node {node}", f"nodes: {known}"))
    lost = [view for view in found.lost() if not node or view.name == node]
    if lost:
        code = found.say_lost(lost)
        reason = Reason("not_found", f"no instance {name} on the nodes that answered", "see the line above")
        return CommandFailed(code, reason)
    return CommandFailed(Exit.FAILED, Reason("not_found", f"no instance {name}", "see `gpuyard instances`"))
