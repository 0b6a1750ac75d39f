"""Who may do what, over OpenSSH's sshd: leases between consoles, and what a forced command leaves of a role."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.access.audit import chain
from agents.access.audit.log import AuditLog
from agents.access.audit.record import unseal
from tests.e2e.sshd import Host, wait_until
from tests.e2e.test_loopback import items, run, write_profile


@contextmanager
def applying(host: Host, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """An apply that goes on while the caller does something else."""
    path = write_profile(host, **options)  # type: ignore[arg-type]
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
        run(host, "stop", "one", "--yes", "--take-over")
        said, _ = rollout.communicate(timeout=40)
        assert rollout.returncode == 0, said
    run(host, "stop", "one", "chat", "--yes")


def test_an_admin_takes_over_and_the_one_before_is_told(host: Host) -> None:
    with applying(host, load_seconds=20.0):
        wait_until(lambda: "chat/0" in str(items(host, "instances")), 20, "the apply has begun")
        run(host, "apply", "-f", str(write_profile(host, load_seconds=0.1)), "--yes", "--take-over")
    assert any("took the lease over" in one["text"] for one in items(host, "events"))
    run(host, "stop", "chat", "--yes")


def test_the_audit_is_checked_and_a_rewritten_one_is_found_out(host: Host) -> None:
    words = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    run(host, "run", "one", *words)
    assert items(host, "audit", "verify")[0]["records"] == 2
    run(host, "stop", "one", "--yes")
    assert host.console("audit", "verify").returncode == 0
    audit = host.state / "audit"
    kept = [unseal(line)[0] for line in chain.files(audit)[0].read_bytes().splitlines(keepends=True)]
    assert [(one.user, one.way, one.reason) for one in kept[::2]] == [
        ("root", "bridge", "run one"), ("root", "bridge", "stop one"),
    ]  # fmt: skip
    assert {one.address for one in kept} == {"127.0.0.1"}
    for pid in host.processes():
        if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda gone=pid: not Path(f"/proc/{gone}").exists(), 10, "the agent has ended")
    chain.files(audit)[0].unlink()
    forged = AuditLog(audit, agent_version="0.1.0")
    for one in kept[2:]:
        forged.outcome(one, one.act, "done", "nothing ever happened here", 0.0)
    done = host.console("status")
    assert "its audit ends at record 2, this console remembers record 4" in done.stderr, done
    done = host.console("audit", "verify")
    assert (done.returncode, "is known" in done.stderr) == (1, True), done
    assert host.console("audit", "verify", "--accept").returncode == 0
    assert "remembers" not in host.console("status").stderr
