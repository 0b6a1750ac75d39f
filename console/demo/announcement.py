"""The one line that a cluster says to whoever started it."""

import msgspec


class Announcement(msgspec.Struct, frozen=True):
    """Where the inventory is, or why there is no cluster."""

    inventory: str = ""
    error: str = ""
