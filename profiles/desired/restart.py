"""How often an engine may end by itself before it is left alone: as people write it, and as a node keeps it."""

import msgspec

from profiles.text.units import duration_s


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """After `max_exits` in `window_s` the instance is failed, until somebody edits it."""

    max_exits: int = 5
    window_s: float = 600.0


class RestartRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{max: 5, window: 10m}`."""

    max: int = 5
    window: str = "10m"

    def rule(self) -> Restart:
        """Raises ValueError for a window that is no duration; files are checked when they are loaded."""
        window_s = duration_s(self.window)
        if window_s is None:
            raise ValueError(f"`{self.window}` is no duration")
        return Restart(max_exits=self.max, window_s=window_s)
