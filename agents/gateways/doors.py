"""Which instances requests still reach through gateways of this node: written by those, read before an engine ends.

joins ──► inside, n sessions ──► told to drain ──► inside, fewer … ──► out: none under way, none can come
"""

import asyncio
from collections.abc import Collection

from profiles.observed.status import Reason


class Doors:
    """Whoever has been let in is inside before HAProxy is told, and until it says that he is out."""

    def __init__(self) -> None:
        self.awaited: set[str] = set()
        """Gateways that an earlier agent left and that were not looked at yet: who is inside is not known."""
        self._inside: dict[str, dict[str, int]] = {}
        """Gateway → instance → sessions, as of its last look."""
        self.knocked = asyncio.Event()
        """Something changed that gateways may have to follow."""

    def let_in(self, gateway: str, instances: Collection[str]) -> None:
        inside = self._inside.setdefault(gateway, {})
        for instance in instances:
            inside.setdefault(instance, 0)

    def saw(self, gateway: str, sessions: dict[str, int]) -> None:
        """All that are inside."""
        self.awaited.discard(gateway)
        self._inside[gateway] = sessions

    def closed(self, open_gateways: Collection[str]) -> None:
        """All others run no longer."""
        for gateway in self._inside.keys() - set(open_gateways):
            del self._inside[gateway]

    def inside(self, instance: str) -> Reason | None:
        """Why requests may still come to it; None when none can."""
        found = {gateway: members[instance] for gateway, members in self._inside.items() if instance in members}
        if not found:
            return Reason("draining", "it is not known yet whether a gateway sends requests") if self.awaited else None
        where = ", ".join(name.rpartition("/")[0] for name in sorted(found))
        return Reason("draining", f"leaves gateway {where}: {sum(found.values())} sessions under way")
