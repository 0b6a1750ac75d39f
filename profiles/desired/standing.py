"""The revision of a profile that stands on a node: its number, and what it means."""

import msgspec


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One revision, as it is told to each node that it touches and as the node keeps it.

    One number of a profile has one `digest`, that of what the profile wants of all `nodes` together: a node takes no
    second one. Whoever numbers goes one above the highest `last` that a node tells.
    """

    profile: str
    number: int
    digest: str
    nodes: tuple[str, ...] = ()
    """All that it touches, by the names of whoever applied it; left out in the document of a node."""
    author: str = ""
    at_unix_s: float = 0.0
    """Of the node's clock: when it took it."""
    takes_back: int = 0
    """The number of the apply that failed, where this is the way back from it: it means what stood before."""
    here: str = ""
    """Digest of what the profile wants of this node alone; another one since is an edit by hand. Made by the node."""
    last: int = 0
    """The highest number that this node was ever told, of a revision that was taken back as well. Made by the node."""

    def same(self, other: "Standing") -> bool:
        return (self.profile, self.number, self.digest) == (other.profile, other.number, other.digest)
