"""Who may do what, over OpenSSH's sshd: leases between consoles, and what a forced command leaves of a role."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_loopback import items, run, write_profile


@contextmanager
def applying(host: Host, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """An apply that goes on while the caller does something else."""
    path = write_profile(host, **options)
    words = ["apply", "-f", str(path), "--yes", "--inventory", str(host.folder / "inventory.yaml")]
    with subprocess.Popen(
        [sys.executable, "-m", "console", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=host.environment(), cwd=host.folder,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_nobody_else_changes_a_node_during_an_apply(host: Host) -> None:
    run(host, "run", "one", "--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    with applying(host, load_seconds=6.0) as rollout:
        wait_until(lambda: "chat/0" in str(items(host, "instances")), 20, "the apply has begun")
        done = host.console("stop", "one", "--yes")
        assert (done.returncode, "holds this node" in done.stderr, "apply" in done.stderr) == (1, True, True), done
        again = host.console("apply", "-f", str(write_profile(host, load_seconds=0.1)), "--yes")
        assert (again.returncode, "nothing was changed" in again.stderr) == (1, True), again
        said, _ = rollout.communicate(timeout=40)
        assert rollout.returncode == 0, said
    run(host, "stop", "one", "chat", "--yes")


def test_an_admin_takes_over_and_the_one_before_is_told(host: Host) -> None:
    with applying(host, load_seconds=20.0):
        wait_until(lambda: "chat/0" in str(items(host, "instances")), 20, "the apply has begun")
        run(host, "apply", "-f", str(write_profile(host, load_seconds=0.1)), "--yes", "--take-over")
    assert any("took the lease over" in one["text"] for one in items(host, "events"))
    run(host, "stop", "chat", "--yes")
