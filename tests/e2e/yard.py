"""A host as a site has it: root's sshd and agent, a group at the agent's door.

Of its accounts ann is of that group, which is her own, and has no shell; bob has one.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import sshd
from tests.e2e.accounts import accounts
from tests.e2e.sshd import Host
from tests.e2e.system_agent import Agent, system_agent

ROLES = 'gpuyard = 1\ngroup = "ann"\n[roles]\nann = "operator"\n'


@dataclass
class Yard:
    """Console and inventory are those of `host`, where root is the node `here`."""

    host: Host
    agent: Agent

    @property
    def config(self) -> Path:
        return self.host.folder / "sshd_config"

    def seal(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.host.console("node", "sealed", "here", "--as", "ann", "--group", "ann", *words)

    def restart(self, *options: str) -> None:
        self.host.stop()
        self.host.options = list(options)
        self.host.start()


@contextmanager
def the_yard() -> Iterator[Yard]:
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shells = {"ann": "/usr/sbin/nologin", "bob": "/bin/sh"}
        with (
            accounts(folder, shells) as within,
            system_agent("ann", ROLES, within) as agent,
            sshd.host(folder, within) as host,
        ):
            host.write_inventory(socket=str(agent.socket))
            yield Yard(host, agent)
