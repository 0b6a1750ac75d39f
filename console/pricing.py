"""The price sheet of this console: the user's own over the one that ships."""

import os
from pathlib import Path

from profiles.money import prices
from profiles.money.prices import Sheet


def own_sheet() -> Path | None:
    """The user's prices, where there are any."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    path = Path(home).expanduser() / "gpuyard" / "prices.yaml"
    return path if path.exists() else None


def load_prices() -> Sheet:
    """Raises FileError for a file that cannot be used."""
    return prices.load(own_sheet())
