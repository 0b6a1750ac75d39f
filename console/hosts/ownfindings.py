"""This console's own side: its version and the files that it trusts."""

import platform
import stat
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from agents.wire import PROTOCOL, PROTOCOL_OLDEST
from profiles.observed.finding import Finding, info, ok, problem


def look(inventory: Path | None, known_hosts: Path) -> Iterator[Finding]:
    """`inventory` None is this machine alone."""
    protocols = PROTOCOL if PROTOCOL == PROTOCOL_OLDEST else f"{PROTOCOL_OLDEST}–{PROTOCOL}"
    python = platform.python_version()
    yield info("console_version", f"gpuyard {version('gpuyard')}, protocol {protocols}, Python {python}")
    if inventory is None:
        yield info("console_files", "no inventory: this machine alone")
    for path in (inventory, known_hosts):
        if path is not None and path.exists():
            yield _file(path)


def _file(path: Path) -> Finding:
    mode = path.stat().st_mode
    if mode & 0o022:
        text = f"others can write {path} (mode {stat.S_IMODE(mode):o})"
        return problem("console_files", text, f"chmod go-w {path}: it decides where this console goes")
    return ok("console_files", f"{path}")
