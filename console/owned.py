"""Whose the instances of the nodes are, by the profiles that their documents name."""

from console.store import Key, Kind, Store


def profile_of(store: Store, key: Key) -> str:
    """Whose instance it is, by what is wanted, else by what runs."""
    view = store.nodes[key.node]
    owned, status = view.desired.instances.get(key.name), view.instances.get(key.name)
    return owned.profile if owned else status.profile if status else ""


def whole_profile(store: Store, profile: str) -> list[Key]:
    """All its instances on the nodes that are heard of."""
    return [
        Key(Kind.INSTANCE, view.name, name)
        for view in store.nodes.values() if view.counted
        for name, owned in view.desired.instances.items() if owned.profile == profile
    ]  # fmt: skip
