"""A host as a site has it: root's sshd and agent, a group at the agent's door, and an account of it without a shell."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import sshd
from tests.e2e.accounts import account
from tests.e2e.sshd import Host
from tests.e2e.system_agent import Agent, system_agent


@dataclass
class Yard:
    """`ann` is the account, and its group. Console and inventory are those of `host`, where root is the node `here`."""

    host: Host
    agent: Agent
    ann: str

    @property
    def config(self) -> Path:
        return self.host.folder / "sshd_config"

    def seal(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.host.console("node", "sealed", "here", "--as", self.ann, "--group", self.ann, *words)

    def restart(self, *options: str) -> None:
        self.host.stop()
        self.host.options = list(options)
        self.host.start()


@contextmanager
def the_yard() -> Iterator[Yard]:
    with (
        account("/usr/sbin/nologin") as ann,
        system_agent(ann, f'gpuyard = 1\ngroup = "{ann}"\n[roles]\n{ann} = "operator"\n') as agent,
        tempfile.TemporaryDirectory(prefix="gy") as name,
    ):
        Path(name).chmod(0o755)
        with sshd.host(Path(name)) as host:
            host.write_inventory(socket=str(agent.socket))
            yield Yard(host, agent, ann)
