"""`gpuyard node doctor` over OpenSSH's sshd: both sides of a login, the node, and a bundle without secrets."""

import json
import subprocess
import tarfile
from typing import Any

import pytest

from tests.e2e.sshd import Host

CANARY = "canary-77aa01"
pytestmark = pytest.mark.timeout(120)


def findings(host: Host, *words: str) -> dict[str, dict[str, Any]]:
    """By code, of the one node; where a code comes several times, the last."""
    done = host.console("node", "doctor", *words, "--json")
    assert done.returncode in (0, 1, 3), done.stderr
    items = json.loads(done.stdout)["items"]
    assert done.returncode == 3 or (done.returncode == 1) == any(one["severity"] == "problem" for one in items)
    return {one["code"]: one for one in items if one["node"]}


def test_what_a_login_uses_and_what_the_node_is_like(host: Host) -> None:
    config = host.home / ".ssh" / "config"
    config.write_text("Host other\n  User nobody\nHost 127.*\n  ServerAliveInterval 5\n")
    found = findings(host)
    assert found["ssh_config"]["seen"] == f"{config}:4: serveraliveinterval 5"
    assert found["ssh_keys"]["seen"] == str(host.login_key)
    assert found["host_key"]["severity"] == "ok"
    assert (found["login"]["severity"], found["way_in"]["seen"]) == ("ok", "bridge")
    assert found["agent_running"]["severity"] == "ok"
    assert found["isolation_tier"]["topic"] == "service"
    assert "model_directories" in found or "model_disk" in found


def test_a_forced_command_is_seen_as_one(host: Host) -> None:
    public = (host.folder / "login.pub").read_text()
    command = f"{host.agent} attach --role operator --as ann"
    (host.folder / "authorized").write_text(f'restrict,command="{command}" {public}')
    found = findings(host)
    assert (found["way_in"]["seen"], "operator" in found["role"]["seen"]) == ("forced", True)


def test_what_is_wrong_with_a_login_is_named(host: Host) -> None:
    host.login_key.chmod(0o644)
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(host.folder / "host"), "-I", "ann@yard", "-n", "ann", "-V", "20200101:20200102",
         str(host.folder / "login.pub")],
        check=True,
    )  # fmt: skip
    (host.home / ".ssh" / "known_hosts").unlink()
    found = findings(host)
    assert "chmod 600" in found["ssh_keys"]["fix"]
    assert found["ssh_certificate"]["severity"] == "problem"
    assert "ann@yard" in found["ssh_certificate"]["seen"]
    assert found["host_key"]["severity"] == "warning"
    assert (found["login"]["severity"], "expired" in found["login"]["seen"]) == ("problem", True)


def test_a_bundle_has_both_sides_and_no_secret(host: Host) -> None:
    secret = host.state / "secrets" / "key"
    secret.parent.mkdir(parents=True)
    secret.write_text(CANARY)
    secret.chmod(0o600)
    (host.state / "agent.log").write_text(f"started with {CANARY}\nwell\n")
    bundle = host.folder / "bundle.tgz"
    done = host.console("node", "doctor", "--bundle", str(bundle))
    assert "here/agent.log" in done.stderr, done.stderr
    with tarfile.open(bundle) as archive:
        texts = {one.name: file.read() for one in archive.getmembers() if (file := archive.extractfile(one))}
    names = {name.removeprefix("gpuyard-bundle/") for name in texts}
    assert {"console/findings.json", "console/inventory.yaml", "here/findings.json", "here/agent.log"} <= names
    assert b"well" in texts["gpuyard-bundle/here/agent.log"]
    assert "exists already" in host.console("node", "doctor", "--bundle", str(bundle)).stderr
    assert not [name for name, text in texts.items() if CANARY.encode() in text]


def test_a_node_that_does_not_exist_is_usage(host: Host) -> None:
    assert host.console("node", "doctor", "nowhere").returncode == 64
