"""A detached daemon as a user meets it: the remark, the page, the doctor, and what a crontab changes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sshd import wait_until


class Machine:
    """This one, with a home and a crontab of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / ".local" / "state" / "gpuyard"
        program = home / "crontab"
        program.write_text(f'#!/bin/sh\n[ "$1" = -l ] && cat {home}/table\n')
        program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GPUYARD_"))}
        self.environ = kept | {"HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}"}

    def run(self, module: str, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *words], env=self.environ, capture_output=True, text=True, timeout=60,
            cwd=self.home, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def node(self) -> dict[str, Any]:
        (node,) = json.loads(self.run("console", "nodes", "--json"))["items"]
        assert isinstance(node, dict)
        return node

    def end_daemon(self) -> None:
        with suppress(FileNotFoundError):
            pid = int((self.state / "agent.lock").read_text())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20, "the daemon ends")


@pytest.fixture
def machine() -> Iterator[Machine]:
    home = Path(tempfile.mkdtemp(prefix="gyk"))
    made = Machine(home)
    try:
        yield made
    finally:
        made.end_daemon()
        shutil.rmtree(home)


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="needs a machine whose systemd is not asked")
def test_a_detached_daemon_is_not_restarted_after_boot_until_a_crontab_does_it(machine: Machine) -> None:
    wait_until(lambda: machine.node()["kept"] is not None, 20, "it says how it is kept")
    kept = machine.node()["kept"]
    assert (kept["by"], kept["after_boot"]) == ("detached", "")
    assert "not restarted after boot" in machine.run("console", "nodes")
    name = machine.node()["name"]
    page = machine.run("console", "describe", "node", name)
    assert "a detached daemon, not restarted after boot" in page
    assert kept["fix"] in page
    (described,) = json.loads(machine.run("console", "describe", "node", name, "--json"))["items"]
    assert described["node"]["kept"] == kept
    assert any("started" in event["text"] for event in described["events"])
    machine.run("console", "describe", "node", "nowhere", code=64)
    found = json.loads(machine.run("agents", "doctor", "--json"))["items"]
    (warned,) = [one for one in found if one["code"] == "after_boot"]
    assert (warned["severity"], warned["fix"]) == ("warning", kept["fix"])

    machine.end_daemon()
    (machine.home / "table").write_text("@reboot gpuyard-agent serve # gpuyard-agent\n")
    wait_until(lambda: machine.node()["kept"] is not None, 20, "it says how it is kept")
    assert machine.node()["kept"]["after_boot"] == "cron"
    assert "not restarted" not in machine.run("console", "nodes")
