"""Who is asking, on one connection."""

from dataclasses import dataclass

from agents.access.peer import DIRECT, Introduction, Peer
from profiles.observed.status import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the kernel's word on the peer, the most that it may do, and what is claimed beside.

    `label_believed` tells whether the introduction's label is more than a claim.
    """

    peer: Peer
    role: Role
    author: str
    introduction: Introduction = DIRECT
    label_believed: bool = False

    @property
    def person(self) -> str:
        """Whom limits are counted for: an account, or one of those behind a shared one."""
        label = self.introduction.label if self.label_believed else ""
        return person_of(self.peer, label)


def person_of(peer: Peer, label: str = "") -> str:
    return f"uid {peer.uid} ({label})" if label else f"uid {peer.uid}"
