"""The key that clients of an engine need, for the agent's own questions: some engines want it for their metrics too."""

from pathlib import Path

from agents.instances.preparation import Described
from agents.instances.secrets import SecretUnusable, read_secret
from agents.layout import Layout
from engines.abilities import Keyed
from profiles.desired.model import InstanceSpec, SecretRef


class Key:
    """Of one living engine. Read at each question, so that it is nowhere but with the engine."""

    def __init__(self, layout: Layout, described: Described, spec: InstanceSpec, pid: int) -> None:
        self._layout = layout
        self._pid = pid
        engine = described.engine
        self._variable = engine.key_variable if isinstance(engine, Keyed) else ""
        self._given = spec.env.get(self._variable)

    def value(self) -> str:
        """ "" for an engine without one. As the engine was started with; as it is now, where that cannot be read."""
        if self._given is None:
            return ""
        found = self._started_with()
        if found is None:
            try:
                given = self._given
                found = read_secret(self._layout, given.secret) if isinstance(given, SecretRef) else given
            except SecretUnusable:
                return ""
        return found if found.isascii() and found.isprintable() else ""

    def _started_with(self) -> str | None:
        """Processes that rename themselves may overwrite their environment."""
        try:
            entries = Path(f"/proc/{self._pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            return None
        prefix = f"{self._variable}="
        return next((entry.removeprefix(prefix) for entry in entries if entry.startswith(prefix)), None)
