"""What a person calls things, and what they are in the store: the screens and the command line use the same words.

chat/0 or NODE:chat/0   an instance      chat     all replicas of a service
NODE/0                  a GPU            NODE/41822   a process
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from console.render.table import natural
from console.store import Key, Kind, Store
from profiles.observed.status import Reason

Target = tuple[str, str]
"""(node, instance)."""


class NotNamed(Exception):
    """Nothing is called so, or more than one thing is."""

    def __init__(self, code: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.reason = Reason(code, text, hint)


def fitting(store: Store, name: str) -> list[Target]:
    """All instances that `name` may mean, wanted or running; in the order of nodes, then naturally."""
    node, colon, wanted = name.rpartition(":")
    return [
        (view.name, instance)
        for view in store.nodes.values()
        if not colon or view.name == node
        for instance in sorted({*view.desired.instances, *view.instances}, key=natural)
        if instance == wanted or instance.rpartition("/")[0] == wanted
    ]


def twice(targets: Iterable[Target]) -> str:
    """The first instance that is on more than one node; "" when none is."""
    seen: set[str] = set()
    for _, name in targets:
        if name in seen:
            return name
        seen.add(name)
    return ""


def instances(store: Store, names: Sequence[str]) -> list[Target]:
    """Raises NotNamed."""
    found: dict[Target, None] = {}
    for name in names:
        targets = fitting(store, name)
        if not targets:
            raise NotNamed("not_found", f"no instance {name} on the nodes that answered")
        if double := twice(targets):
            hint = ", ".join(f"{node}:{instance}" for node, instance in targets if instance == double)
            raise NotNamed("ambiguous", f"{double} is on more than one node", f"say which: {hint}")
        found.update(dict.fromkeys(targets))
    return list(found)


def instance(store: Store, name: str) -> Key:
    """Exactly one. Raises NotNamed."""
    targets = instances(store, [name])
    if len(targets) > 1:
        names = ", ".join(one for _, one in targets)
        raise NotNamed("ambiguous", f"{name} has {len(targets)} replicas", f"say which: {names}")
    return Key(Kind.INSTANCE, *targets[0])


def service(store: Store, name: str) -> Key:
    """`chat`, or `PROFILE:chat` where two profiles have one. Raises NotNamed."""
    fits = [key for key in store.keys(Kind.SERVICE) if name in (key.name, key.name.partition(":")[2])]
    if len(fits) > 1:
        raise NotNamed("ambiguous", f"{name} is of two profiles", f"say which: {', '.join(one.name for one in fits)}")
    if not fits:
        raise NotNamed("not_found", f"no service is called {name}")
    return fits[0]


def node(store: Store, name: str) -> Key:
    """Raises NotNamed."""
    if name not in store.nodes:
        raise NotNamed("not_found", f"there is no node {name}")
    return Key(Kind.NODE, name)


def gpu(store: Store, name: str) -> Key:
    """`NODE/0`. Raises NotNamed."""
    where, _, index = name.rpartition("/")
    found = next((one for one in store.nodes[node(store, where).node].gpus.values() if str(one.index) == index), None)
    if found is None:
        raise NotNamed("not_found", f"{where} has no GPU {index}")
    return Key(Kind.GPU, where, found.uuid)


def process(store: Store, name: str) -> Key:
    """`NODE/41822`, once its node has listed it. Raises NotNamed."""
    where, _, pid = name.rpartition("/")
    listed = store.nodes[node(store, where).node].processes
    found = next((one for one, process in listed.items() if str(process.pid) == pid), None)
    if found is None:
        raise NotNamed("not_found", f"{where} lists no process {pid} on a GPU or of an instance", "6 lists them")
    return Key(Kind.PROCESS, where, found)


def called(store: Store, key: Key) -> str:
    """The shortest name by which a person reaches `key`; "" for what has none."""
    view = store.nodes.get(key.node)
    match key.kind:
        case Kind.NODE:
            return key.node
        case Kind.GPU:
            return f"{key.node}/{view.gpus[key.name].index}" if view and key.name in view.gpus else ""
        case Kind.PROCESS:
            return f"{key.node}/{view.processes[key.name].pid}" if view and key.name in view.processes else ""
        case Kind.INSTANCE:
            return f"{key.node}:{key.name}" if len(fitting(store, key.name)) > 1 else key.name
        case Kind.SERVICE:
            _, _, bare = key.name.partition(":")
            others = [one for one in store.keys(Kind.SERVICE) if one.name.partition(":")[2] == bare]
            return key.name if len(others) > 1 else bare
        case Kind.PROFILE | Kind.USER:
            return key.name
        case _:
            return ""


def all_called(store: Store, kind: Kind) -> Iterator[str]:
    """What everything of a kind is called."""
    if kind is Kind.INSTANCE:
        keys = store.keys(kind)
        often = Counter(key.name for key in keys)
        yield from (key.name if often[key.name] == 1 else f"{key.node}:{key.name}" for key in keys)
    else:
        yield from filter(None, (called(store, key) for key in store.keys(kind)))
