"""A fleet whose nodes keep two revisions of what the filled store has."""

from typing import Any

from msgspec.structs import replace

from agents import wire
from console.store import Store
from profiles.desired.model import DesiredInstance
from profiles.desired.standing import Standing
from profiles.revisions.revision import Revision

NODES = ("ams-1", "fra-1", "fra-2")


class KeptFleet:
    """Answers what is asked of the past, and nothing else."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def request(self, node: str, ask: wire.AnyAsk, answer: Any, **_: object) -> Any:
        before, now = self._heads(node)
        if isinstance(ask, wire.ReadRevisions):
            return wire.Revisions(revisions=(before, now))
        if isinstance(ask, wire.ReadRevision):
            head = now if ask.generation == now.generation else before
            return wire.RevisionDocument(head=head, instances=self._instances(node, 64 if head is now else 48))
        return wire.History(from_unix_s=0.0, step_s=10.0, steps=0, series=())

    def _heads(self, node: str) -> tuple[Revision, Revision]:
        at, name = self.store.wall(), next(iter(self.store.nodes[node].desired.instances))
        return (
            Revision(generation=5, digest="a", author="bob", reason="apply chat-prod", at_unix_s=at - 90_000, follows=4,
                     what=f"+ {name}", tags=("known-good",), applied=_standing(117, NODES[:2])),
            Revision(generation=7, digest="b", author="ana", reason="apply chat-prod", at_unix_s=at - 600, follows=5,
                     what=f"{name} options.max_num_seqs 48 → 64", applied=_standing(118, NODES)),
        )  # fmt: skip

    def _instances(self, node: str, seqs: int) -> dict[str, DesiredInstance]:
        return {
            name: replace(owned, spec=replace(owned.spec, options={"max_num_seqs": seqs}))
            for name, owned in self.store.nodes[node].desired.instances.items()
        }


def _standing(number: int, nodes: tuple[str, ...]) -> Standing:
    return Standing(profile="chat-prod", number=number, digest=f"d{number}", nodes=nodes)
