"""What a test needs to know of an engine to serve a tiny model with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Served:
    """An engine with a model of its kind and the options that suit a small machine."""

    engine: str
    model: Path
    options: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)
    ready_limit_s: float = 60.0
