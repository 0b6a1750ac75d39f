"""A system's daemon: root's, with a group at its door, in a directory that other users can pass through."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.sshd import wait_until


@dataclass
class Agent:
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "agent.sock"

    @property
    def roles(self) -> Path:
        return self.folder / "roles.toml"

    @property
    def bridge(self) -> tuple[str, ...]:
        return ("attach", "--no-start", "--state", str(self.folder / "state"), "--socket", str(self.socket))


@contextmanager
def system_agent(group: str, roles: str, within: Sequence[str] = ()) -> Iterator[Agent]:
    """`group` may pass to the socket; `roles` is the text of its roles.toml. `within` stands before it. Needs root."""
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "run").mkdir(mode=0o750)
        subprocess.run([*within, "chgrp", group, str(folder / "run")], check=True)
        (folder / "gpus").mkdir()
        (folder / "gpus" / "devices.json").write_text("[]")
        (folder / "roles.toml").write_text(roles)
        argv = [*within, sys.executable, "-P", "-m", "agents", "serve", "--state", str(folder / "state"),
                "--socket", str(folder / "run" / "agent.sock"), "--roles", str(folder / "roles.toml"),
                "--simulated", str(folder / "gpus")]  # fmt: skip
        with (folder / "agent.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, cwd="/")
        try:
            wait_until((folder / "run" / "agent.sock").exists, 20, "the agent listens")
            yield Agent(folder, process)
        finally:
            process.terminate()
            process.wait(20)
