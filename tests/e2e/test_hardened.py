"""Hosts whose sshd gives little: each form against OpenSSH's own."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from console.hosts.sealed import doors, snippet
from console.inventory import Node
from console.remote.errors import LinkRefused, Lost
from console.remote.ssh import Dialler
from tests.e2e.sshd import Host, keygen
from tests.e2e.test_loopback import items, run


def sshd_log(host: Host) -> str:
    return (host.folder / "sshd.log").read_text()


def again(host: Host, *options: str) -> None:
    host.stop()
    host.options = list(options)
    host.start()


def known(host: Host) -> Path:
    return host.home / ".ssh" / "known_hosts"


def test_one_session_carries_control_and_logs(host: Host) -> None:
    again(host, "MaxSessions 1", "AllowTcpForwarding no")
    run(host, "run", "one", "--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    assert items(host, "nodes")[0]["way"] == "bridge"
    assert "startup complete" in run(host, "logs", "one/0")


def test_a_sealed_login_reaches_the_socket_alone(host: Host) -> None:
    run(host, "status")
    socket = host.state / "agent.sock"
    again(host, "MaxSessions 0", "AllowTcpForwarding local", "AllowStreamLocalForwarding local",
          f"PermitOpen [{socket}]:*")  # fmt: skip
    host.write_inventory(socket=str(socket))
    assert items(host, "nodes")[0]["way"] == "socket"
    host.write_inventory(socket=f"{host.state}/../{host.state.name}/agent.sock")
    assert host.console("status").returncode == 3


def test_a_valid_certificate_logs_in_and_an_expired_one_is_never_offered(host: Host) -> None:
    keygen(host.folder / "authority")
    (host.folder / "authorized").write_text("")
    again(host, f"TrustedUserCAKeys {host.folder}/authority.pub", f"AuthorizedPrincipalsFile {host.folder}/principals")
    (host.folder / "principals").write_text("ann\n")
    sign(host, "-5m:+1h")
    assert items(host, "nodes")[0]["state"] == "up"
    before = sshd_log(host).count("Connection")
    sign(host, "-5h:-3h")
    done = host.console("status")
    assert (done.returncode, "expired 3 h ago" in done.stderr) == (3, True), done.stderr
    assert sshd_log(host).count("Connection") == before


def test_a_certificate_for_somebody_else_is_refused_after_one_attempt(host: Host) -> None:
    keygen(host.folder / "authority")
    (host.folder / "authorized").write_text("")
    (host.folder / "principals").write_text("bob\n")
    again(host, f"TrustedUserCAKeys {host.folder}/authority.pub",
          f"AuthorizedPrincipalsFile {host.folder}/principals")  # fmt: skip
    sign(host, "-5m:+1h")
    done = host.console("status")
    assert (done.returncode, "refused the login" in done.stderr) == (3, True)
    assert sshd_log(host).count("[preauth]") == 1, sshd_log(host)


def sign(host: Host, window: str) -> None:
    words = ["ssh-keygen", "-q", "-s", str(host.folder / "authority"), "-I", "ann", "-n", "ann", "-V", window]
    subprocess.run([*words, str(host.login_key.with_suffix(".pub"))], check=True, capture_output=True)


def test_an_authority_vouches_for_hosts_and_a_revoked_key_is_refused(host: Host) -> None:
    keygen(host.folder / "authority")
    words = ["ssh-keygen", "-q", "-s", str(host.folder / "authority"), "-I", "yard", "-h", "-n", "127.0.0.1"]
    subprocess.run([*words, str(host.folder / "host.pub")], check=True, capture_output=True)
    again(host, f"HostCertificate {host.folder}/host-cert.pub")
    trust = f"@cert-authority 127.0.0.1,[127.0.0.1]:* {(host.folder / 'authority.pub').read_text()}"
    known(host).write_text(trust)
    assert items(host, "nodes")[0]["state"] == "up"
    known(host).write_text(f"{trust}@revoked * {(host.folder / 'host.pub').read_text()}")
    done = host.console("status")
    assert (done.returncode, "revoked" in done.stderr) == (3, True), done.stderr


def test_hashed_known_hosts_are_found(host: Host) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known(host))], check=True, capture_output=True)
    assert "127.0.0.1" not in known(host).read_text()
    assert items(host, "nodes")[0]["state"] == "up"


async def test_many_nodes_share_one_login_at_the_jump_host_and_never_storm_sshd(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(host, "MaxStartups 10")
    one = f"  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.login_key}\n"
    names = [f"n{at}" for at in range(32)]
    config = f"Host jump\n{one}" + "".join(f"Host {name}\n{one}  ProxyJump jump\n" for name in names)
    (host.home / ".ssh" / "config").write_text(config)
    monkeypatch.setenv("HOME", str(host.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    dialler = Dialler()
    try:
        reached = await asyncio.gather(*(dialler.login(Node(address=name)) for name in names))
        await asyncio.gather(*(connection.close() for connection in reached))
    finally:
        await dialler.close()
    assert sshd_log(host).count("Accepted publickey") == len(names) + 1
    assert "drop connection" not in sshd_log(host)


def test_every_door_of_a_sealed_login_is_tried(host: Host) -> None:
    run(host, "status")
    socket = host.state / "agent.sock"
    host.write_inventory(socket=str(socket))
    again(host, "X11Forwarding yes")
    wide = host.console("node", "sealed", "here", "--check", "--json")
    assert wide.returncode == 1, wide.stderr
    wrong = {one["door"] for one in json.loads(wide.stdout)["items"] if not one["right"]}
    assert wrong >= {"a command", "a shell", "a terminal", "another spelling of its path", "a TCP port"}
    assert "agent forwarding" in wrong
    assert ("X11 forwarding" in wrong) is bool(shutil.which("xauth")), "without it sshd forwards no display"
    printed = run(host, "node", "sealed", "here", "--group", "root")
    again(host, *printed.splitlines())
    done = host.console("node", "sealed", "here", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("refused") == 11
    (host.folder / "inventory.yaml").write_text("gpuyard: 1\nnodes: {here: {local: true}}\n")
    assert "reached without ssh" in host.console("node", "sealed", "here", "--check").stderr


async def test_a_connection_that_breaks_is_not_taken_for_a_sealed_one(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It breaks when the socket is reached: what is tried after that would look shut."""
    monkeypatch.setenv("HOME", str(host.home))
    dialler = Dialler()
    login = await dialler.login(Node(address="127.0.0.1", port=host.port, identity_file=str(host.login_key)))

    def reached(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host.stop()
        writer.close()

    async with await asyncio.start_unix_server(reached, tmp_path / "socket"):
        assert not all(door.is_right for door in await doors(login.raw, str(tmp_path / "socket")))
    await login.close()


def test_the_document_has_the_settings_that_are_printed_and_tried() -> None:
    document = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    assert snippet("gpuyard", "/run/gpuyard/agent.sock") in document


def test_a_forced_command_carries_everything_whatever_the_role_asked_for(host: Host) -> None:
    public = host.login_key.with_suffix(".pub").read_text()
    forced = f'restrict,command="{host.agent} attach --role operator --as ann"'
    (host.folder / "authorized").write_text(f"{forced} {public}")
    node = items(host, "nodes")[0]
    assert (node["state"], node["way"], node["role"]) == ("up", "bridge", "operator")
    assert not (host.folder / "written").exists()
    host.write_inventory(agent=f"/bin/touch {host.folder}/written;")
    run(host, "status")
    assert not (host.folder / "written").exists()


def test_a_sealed_login_whose_agent_is_gone_is_not_refused_for_good(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(host, "MaxSessions 0")
    monkeypatch.setenv("HOME", str(host.home))
    node = Node(address="127.0.0.1", port=host.port, identity_file=str(host.login_key))

    async def opened(socket: str) -> None:
        dialler = Dialler()
        try:
            login = await dialler.login(node, socket)
            try:
                await login.open()
            finally:
                await login.close()
        finally:
            await dialler.close()

    with pytest.raises(Lost):
        asyncio.run(opened(str(host.state / "agent.sock")))
    with pytest.raises(LinkRefused):
        asyncio.run(opened(""))
