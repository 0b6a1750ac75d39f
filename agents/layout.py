"""Where a daemon keeps its files, and where its socket is found. Standard library only: the bridge imports it.

<state>/
  desired.json  loads.json  measurements.json  events.jsonl  agent.lock  agent.log  agent.sock
  revisions/<generation>.json  tags.json  history/<number>.jsonl  applies/<profile>.json
  audit/<first record>.jsonl  lease.json  answers.jsonl
  agent.toml                    unless it is the system's agent: /etc/gpuyard/agent.toml
  runtimes/<name>/              engines' environments that the agent made
  secrets/<name>  fractions/<GPU's UUID>.json
  mps/<GPU>/                    pipes of an MPS daemon: sockets, whose paths must be short
  instances/<name, / as .>/{spec.json, handle.json, stop.json, exit.json, crashes.json, lock, log.<incarnation>}
  instances/_<name>/            the same without a spec.json: a process of the agent's own
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_STATE = Path("/var/lib/gpuyard")
SYSTEM_SOCKET = Path("/run/gpuyard/agent.sock")
UNIT = "gpuyard-agent.service"
SYSTEM_ROLES = Path("/etc/gpuyard/roles.toml")
SYSTEM_SETTINGS = Path("/etc/gpuyard/agent.toml")


@dataclass(frozen=True, slots=True)
class InstanceLayout:
    """The files of one instance."""

    directory: Path

    @property
    def spec(self) -> Path:
        return self.directory / "spec.json"

    @property
    def handle(self) -> Path:
        return self.directory / "handle.json"

    @property
    def exit(self) -> Path:
        return self.directory / "exit.json"

    @property
    def crashes(self) -> Path:
        return self.directory / "crashes.json"

    @property
    def stop(self) -> Path:
        return self.directory / "stop.json"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    def log(self, incarnation: int) -> Path:
        return self.directory / f"log.{incarnation}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one daemon. `make` creates the directories; nothing else here touches the disk."""

    state: Path
    socket: Path

    @classmethod
    def find(
        cls, state: Path | None = None, socket: Path | None = None, environ: Mapping[str, str] = os.environ
    ) -> "Layout":
        """The usual search; a given path wins. A given state directory keeps its socket inside itself."""
        directory = (state or find_state(environ)).absolute()
        if socket is None:
            socket = directory / "agent.sock" if state is not None else find_socket(directory, environ)
        return cls(directory, socket.absolute())

    @property
    def desired(self) -> Path:
        return self.state / "desired.json"

    @property
    def loads(self) -> Path:
        return self.state / "loads.json"

    @property
    def measurements(self) -> Path:
        return self.state / "measurements.json"

    @property
    def timeslices(self) -> Path:
        return self.state / "timeslices.json"

    @property
    def applies(self) -> Path:
        return self.state / "applies"

    @property
    def xids(self) -> Path:
        return self.state / "xids.json"

    @property
    def events(self) -> Path:
        return self.state / "events.jsonl"

    @property
    def revisions(self) -> Path:
        return self.state / "revisions"

    @property
    def tags(self) -> Path:
        return self.state / "tags.json"

    @property
    def history(self) -> Path:
        return self.state / "history"

    @property
    def audit(self) -> Path:
        return self.state / "audit"

    @property
    def lease(self) -> Path:
        return self.state / "lease.json"

    @property
    def answers(self) -> Path:
        return self.state / "answers.jsonl"

    @property
    def lock(self) -> Path:
        return self.state / "agent.lock"

    @property
    def log(self) -> Path:
        """What a detached daemon prints."""
        return self.state / "agent.log"

    @property
    def instances(self) -> Path:
        return self.state / "instances"

    @property
    def settings(self) -> Path:
        """agent.toml, which people write."""
        return SYSTEM_SETTINGS if self.state == SYSTEM_STATE else self.state / "agent.toml"

    @property
    def runtimes(self) -> Path:
        return self.state / "runtimes"

    @property
    def trials(self) -> Path:
        return self.state / "trials"

    @property
    def fractions(self) -> Path:
        """How each GPU is divided, and was."""
        return self.state / "fractions"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def mps(self) -> Path:
        return self.state / "mps"

    def instance(self, name: str) -> InstanceLayout:
        """Raises ValueError for a name that would leave the instances' directory."""
        return InstanceLayout(self.instances / _file_name(name))

    def secret(self, name: str) -> Path:
        """Raises ValueError for a name that would leave the secrets' directory."""
        return self.secrets / _file_name(name)

    def versioned(self) -> list[Path]:
        """The files without which nothing may be decided."""
        return [
            self.desired,
            self.tags,
            *sorted(self.instances.glob("*/*.json")),
            *sorted(self.fractions.glob("*.json")),
        ]

    def make(self) -> None:
        """Create the directories that are missing, readable by their owner alone."""
        for directory in (self.state, self.instances, self.secrets, self.socket.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def find_state(environ: Mapping[str, str] = os.environ) -> Path:
    if os.access(SYSTEM_STATE, os.W_OK | os.X_OK):
        return SYSTEM_STATE
    if base := environ.get("XDG_STATE_HOME"):
        return Path(base) / "gpuyard"
    return Path.home() / ".local" / "state" / "gpuyard"


def has_unit(uid: int, home: Path) -> bool:
    """Whether a service manager keeps this login's daemon: a bridge must not start one that would be in its way."""
    units = Path("/etc/systemd/system") if uid == 0 else home / ".config" / "systemd" / "user"
    return (units / UNIT).exists()


def find_socket(state: Path, environ: Mapping[str, str] = os.environ) -> Path:
    if SYSTEM_SOCKET.exists():
        return SYSTEM_SOCKET
    if (base := environ.get("XDG_RUNTIME_DIR")) and (found := Path(base) / "gpuyard" / "agent.sock").exists():
        return found
    return state / "agent.sock"


def _file_name(name: str) -> str:
    """`chat-70b/0` is kept as `chat-70b.0`."""
    file_name = name.replace("/", ".")
    if not file_name or file_name.startswith(".") or "\0" in file_name:
        raise ValueError(f"not a name for a file: {name!r}")
    return file_name
