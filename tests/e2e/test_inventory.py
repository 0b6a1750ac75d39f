"""Hosts taken into an inventory and trusted, against OpenSSH's sshd: what is written, what is said, what is stored."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console import inventory
from tests.e2e import sshd
from tests.e2e.sshd import Host


def fingerprint(host: Host) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", str(host.folder / "host.pub")], capture_output=True, check=True)
    return listed.stdout.decode().split()[1]


def forget(host: Host) -> None:
    (host.home / ".ssh" / "known_hosts").unlink(missing_ok=True)


def stored(host: Host) -> str:
    own = host.home / ".config" / "gpuyard" / "known_hosts"
    return own.read_text() if own.exists() else ""


def items(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def verdicts(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    return {one["node"]: one["verdict"] for one in items(done)}


def write(host: Host, *lines: str) -> str:
    listed = host.folder / "list"
    listed.write_text("".join(f"{line}\n" for line in lines))
    return str(listed)


@pytest.fixture
def two(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Host]]:
    """The second is the node `there` of the first one's inventory."""
    with sshd.host(tmp_path_factory.mktemp("there")) as there:
        path = host.folder / "inventory.yaml"
        key = f"identity_file: {there.login_key}"
        path.write_text(path.read_text() + f"  there: {{address: 127.0.0.1, port: {there.port}, {key}}}\n")
        forget(host)
        yield host, there


def test_a_host_is_added_looked_at_and_labelled(host: Host) -> None:
    path = host.folder / "inventory.yaml"
    path.unlink()
    words = (f"{getpass.getuser()}@127.0.0.1:{host.port}", "--name", "fra-1", "--identity-file", str(host.login_key))
    refused = host.console("node", "add", *words)
    assert refused.returncode == 1
    assert "give --yes" in refused.stderr
    assert not path.exists()
    told = host.console("node", "add", *words, "--site", "fra", "-l", "pool=chat", "--owner", "search", "--yes")
    assert told.returncode == 0, told.stderr
    assert "the login works" in told.stdout
    assert "which is made" in told.stderr
    node = inventory.load(path).nodes["fra-1"]
    assert (node.site, node.owner, node.labels, node.port) == ("fra", "search", {"pool": "chat"}, host.port)
    again = host.console("node", "add", *words, "--site", "fra", "-l", "pool=chat", "--owner", "search", "--yes")
    assert (again.returncode, again.stderr.strip()) == (0, "gpuyard: nothing to add")
    assert host.console("node", "add", *words, "--yes").returncode == 1

    path.write_text(path.read_text() + "# the end\n")
    labelled = items(host.console("node", "label", "fra-1", "rack=a3", "pool-", "owner=eve", "--json"))
    assert labelled == [{"name": "fra-1", "site": "fra", "owner": "eve", "labels": {"rack": "a3"}}]
    assert path.read_text().endswith("owner: eve, labels: {rack: a3}}\n# the end\n")
    assert host.console("node", "label", "nobody", "a=b").returncode == 64


def test_what_ssh_does_not_know_is_given_by_options(host: Host) -> None:
    (host.home / ".ssh" / "known_hosts").rename(host.folder / "known")
    words = (f"127.0.0.1:{host.port}", "--name", "new", "--identity-file", "login", "--known-hosts", "known")
    beside = ("--agent", str(host.agent), "--socket", str(host.state / "agent.sock"))
    done = host.console("node", "add", *words, *beside, "--yes")
    assert (done.returncode, "the login works" in done.stdout) == (0, True), done.stderr
    node = inventory.load(host.folder / "inventory.yaml").nodes["new"]
    assert (node.agent, node.socket) == (str(host.agent), str(host.state / "agent.sock"))
    assert (node.known_hosts, node.identity_file) == (str(host.folder / "known"), str(host.login_key))
    refused = host.console("node", "add", "other", "--agent", "bin/agent", "--yes")
    assert (refused.returncode, "no absolute path" in refused.stdout) == (1, True), refused.stdout


def test_a_host_that_cannot_be_reached_is_added_and_said(host: Host) -> None:
    forget(host)
    before = (host.folder / "inventory.yaml").read_text()
    done = host.console("node", "add", f"127.0.0.1:{host.port}", f"127.0.0.2:{sshd.free_port()}", "--yes", "--json")
    assert done.returncode == 3
    assert [(one["choice"], one["standing"]) for one in items(done)] == [("add", "unknown"), ("add", "unreachable")]
    assert items(done)[0]["fingerprint"] == fingerprint(host)
    assert fingerprint(host) in done.stderr
    assert stored(host) == ""
    lines = (host.folder / "inventory.yaml").read_text()
    assert lines.startswith(before)
    assert lines.count("\n") == before.count("\n") + 2


def test_a_person_vouches_for_the_key_of_a_host_that_is_added(host: Host) -> None:
    forget(host)
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "console", "node", "add", f"127.0.0.1:{host.port}", "--name", "new",
            "--identity-file", str(host.login_key), "--inventory", str(host.folder / "inventory.yaml")]  # fmt: skip
    os.write(ours, b"y\ny\n")  # the key, then the node
    try:
        done = subprocess.run(argv, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True, timeout=30,
                              env=host.environment(), cwd=host.folder, check=False)  # fmt: skip
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, said
    assert fingerprint(host) in said
    assert "Add 1 node to" in said
    assert f"[127.0.0.1]:{host.port} ssh-ed25519 " in stored(host)
    assert "new" in inventory.load(host.folder / "inventory.yaml").nodes


def test_another_list_is_taken_over_without_what_is_here_already(host: Host) -> None:
    listed = host.folder / "hosts.ini"
    listed.write_text("[gpu]\ngpu[1:2] ansible_user=ops\nhere\ncpu1\n")
    words = ("node", "import", "ansible", str(listed), "--only", "gpu*", "--only", "here", "--site", "ams", "--yes")
    done = host.console(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert [(one["name"], one["choice"]) for one in items(done)] == [
        ("gpu1", "add"), ("gpu2", "add"), ("here", "left_out"),
    ]  # fmt: skip
    found = inventory.load(host.folder / "inventory.yaml").nodes
    assert (found["gpu2"].user, found["gpu2"].labels, found["gpu2"].site) == ("ops", {"gpu": "member"}, "ams")
    assert found["here"].site == "fra"
    assert "nothing to add" in host.console(*words).stderr
    (host.home / ".ssh" / "config").write_text("Host alias\n  HostName 10.0.0.9\nHost *\n  User x\n")
    assert host.console("node", "import", "openssh", "--yes").returncode == 0
    assert inventory.load(host.folder / "inventory.yaml").nodes["alias"] == inventory.Node(address="alias")


def test_only_what_is_labelled_is_asked(host: Host) -> None:
    path = host.folder / "inventory.yaml"
    path.write_text(path.read_text() + "  far: {address: 127.0.0.2, labels: {pool: x}, owner: eve}\n")
    assert [one["name"] for one in items(host.console("nodes", "-l", "owner=eve", "-l", "pool", "--json"))] == ["far"]
    near = host.console("nodes", "-l", "site=fra", "-o", "wide")
    assert near.returncode == 0, near.stderr
    assert "Owner" in near.stdout
    unknown = host.console("nodes", "-l", "pool=y")
    assert (unknown.returncode, unknown.stderr) == (64, "gpuyard: no node has the label pool=y — values of pool: x\n")


def test_a_reviewed_list_is_held_against_what_hosts_show(two: tuple[Host, Host]) -> None:
    host, there = two
    asked = host.console("node", "trust")
    assert asked.returncode == 0, asked.stderr
    assert [line.split()[:2] for line in asked.stdout.splitlines()] == [
        ["here", fingerprint(host)], ["there", fingerprint(there)],
    ]  # fmt: skip
    assert stored(host) == ""

    wrong = host.console("node", "trust", write(host, f"here {fingerprint(there)}"), "--json")
    assert verdicts(wrong) == {"here": "differs", "there": "unlisted"}
    assert wrong.returncode == 1
    assert f"shows ssh-ed25519 {fingerprint(host)}, the list has {fingerprint(there)} (line 1)" in wrong.stderr
    assert stored(host) == ""

    known = f"[127.0.0.1]:{there.port} {' '.join((there.folder / 'host.pub').read_text().split()[:2])}"
    reviewed = write(host, "# by Eve", f"here {fingerprint(host)}", known, f"gone {fingerprint(host)}")
    done = host.console("node", "trust", reviewed, "--json")
    assert verdicts(done) == {"here": "trusted", "there": "trusted"}
    assert done.returncode == 6
    assert "line 4: no node is called gone" in done.stderr
    both = {f"[127.0.0.1]:{one.port}" for one in (host, there)}
    assert {line.split()[0] for line in stored(host).splitlines()} == both
    assert verdicts(host.console("node", "trust", reviewed, "--json")) == {"here": "already", "there": "already"}

    disagreeing = host.console("node", "trust", write(host, f"here {fingerprint(there)}"), "--json")
    assert verdicts(disagreeing) == {"here": "differs", "there": "already"}
    assert f"known already as {fingerprint(host)}" in disagreeing.stderr


def test_changed_keys_and_lost_hosts_are_told_apart(two: tuple[Host, Host]) -> None:
    host, there = two
    reviewed = write(host, f"here {fingerprint(host)}", f"there {fingerprint(there)}")
    assert host.console("node", "trust", reviewed).returncode == 0
    before = stored(host)
    there.stop()
    host.stop()
    host.new_host_key()
    host.start()
    done = host.console(
        "node", "trust", write(host, f"here {fingerprint(host)}", f"there {fingerprint(there)}"), "--json"
    )
    assert verdicts(done) == {"here": "differs", "there": "unreachable"}
    assert "HAS CHANGED" in done.stderr
    assert stored(host) == before


def test_a_list_may_come_by_a_pipe_and_read_only_stores_nothing(host: Host) -> None:
    forget(host)
    argv = [sys.executable, "-m", "console", "node", "trust", "-", "--inventory", str(host.folder / "inventory.yaml")]
    lines = f"127.0.0.1 {fingerprint(host)}\nhere {fingerprint(host)}\n"
    for more, code in ((["--read-only"], 1), ([], 0)):
        done = subprocess.run([*argv, *more], input=lines, text=True, capture_output=True, timeout=30,
                              env=host.environment(), cwd=host.folder, check=False)  # fmt: skip
        assert bool(stored(host)) is (not code)
    assert "127.0.0.1" in done.stderr
    assert "trusted" in done.stdout


def test_the_jump_host_is_trusted_by_the_same_list(two: tuple[Host, Host]) -> None:
    host, jump = two
    config = host.home / ".ssh" / "config"
    config.write_text(f"Host bastion\n  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.login_key}\n"
                      f"Host behind\n  HostName 127.0.0.1\n  ProxyJump bastion\n")  # fmt: skip
    path: Path = host.folder / "inventory.yaml"
    path.write_text(
        f"gpuyard: 1\nnodes:\n  deep: {{address: behind, port: {host.port}, identity_file: {host.login_key}}}\n"
    )
    alone = path.read_text()
    path.write_text(f"{alone}  deeper: {{address: behind}}\n")
    (line,) = host.console("node", "trust").stdout.splitlines()
    path.write_text(alone)
    assert line.split()[:2] == ["bastion", fingerprint(jump)]
    assert "jump host bastion: the host key of 127.0.0.1 is not known" in host.console("nodes").stderr
    wrong = host.console("node", "trust", write(host, f"deep {fingerprint(jump)}"), "--json")
    assert verdicts(wrong) == {"deep": "unlisted"}
    done = host.console(
        "node", "trust", write(host, f"bastion {fingerprint(jump)}", f"deep {fingerprint(host)}"), "--json"
    )
    assert verdicts(done) == {"deep": "trusted"}, done.stderr
    assert len(stored(host).splitlines()) == 2
    assert items(done)[0]["fingerprint"] == fingerprint(host)
