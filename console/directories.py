"""Where a user's own files are: what he wrote, and what the console keeps for him."""

import os
from collections.abc import Mapping
from pathlib import Path


def config_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """It need not exist."""
    return _under(environ.get("XDG_CONFIG_HOME"), ".config")


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Histories, pictures, reports of crashes. It need not exist, and is made for its owner alone."""
    return _under(environ.get("XDG_STATE_HOME"), ".local/state")


def _under(base: str | None, usual: str) -> Path:
    return (Path(base) if base else Path.home() / usual) / "gpuyard"
