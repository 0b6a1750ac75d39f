"""Who keeps an agent running, and what starts it again after a boot of its machine."""

from enum import StrEnum

import msgspec


class KeptBy(StrEnum):
    SYSTEM_UNIT = "system_unit"
    USER_UNIT = "user_unit"
    DETACHED = "detached"
    """Nobody, while the machine runs."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """`after_boot` is what starts it then: `systemd`, `linger` or `cron`. "" when nothing does; `fix` changes that."""

    by: KeptBy
    after_boot: str = ""
    fix: str = ""

    def remark(self) -> str:
        """What its users should know; "" where all is well."""
        return "" if self.after_boot else "not restarted after boot"

    def text(self) -> str:
        """`a user unit, started after a boot (linger)`."""
        by = "a detached daemon" if self.by is KeptBy.DETACHED else f"a {self.by.replace('_', ' ')}"
        return f"{by}, {self.remark() or f'started after a boot ({self.after_boot})'}"
