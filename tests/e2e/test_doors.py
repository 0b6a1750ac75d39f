"""The two ways in for those who shall have no shell, each as an account of its own, against OpenSSH's sshd.

W1, a sealed login: ann, whose shell is nologin. W2, a forced command: serve, an account that several people share.
The host is one on which `node install` put the agent, with a roles.toml and a group at the socket's door.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.hosts.sealed import snippet
from tests.e2e.barehost import BareHost, bare_host
from tests.e2e.sshd import keygen, wait_until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can have accounts of its own in a namespace"),
    pytest.mark.timeout(120),
]
ROLES = """\
gpuyard = 1
group = "gpuyard"
label_accounts = ["serve"]
[roles]
gpuyard = "operator"
"""
FORCED = "env >&2; exec /usr/local/bin/gpuyard-agent attach --as ann --role operator"
"""Shows on stderr what sshd gave to the session, beside the protocol."""

LABELLED = {"user": "serve", "way": "forced", "label": "ann", "label_believed": True, "role": "operator"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareHost]:
    """sshd's own settings forbid neither an agent nor X11: it is up to each way in."""
    with bare_host(tmp_path_factory.mktemp("doors"), ("bob", "ann", "serve", "root"), start=False) as found:
        keygen(found.folder / "authority")
        found.keep_by_unit(ROLES)
        accounts = found.folder / "etc" / "passwd"
        accounts.write_text(accounts.read_text().replace(":/home/ann:/bin/sh", ":/home/ann:/usr/sbin/nologin"))
        with (found.folder / "etc" / "group").open("a") as groups:
            groups.write("gpuyard:x:64300:ann,serve\nsealed:x:64301:ann\n")
        found.options = [
            "X11Forwarding yes", f"TrustedUserCAKeys {found.folder}/authority.pub",
            *snippet("sealed", "/run/gpuyard/agent.sock").splitlines(),
            "Match User serve", "  AuthorizedKeysFile /run/authorized.serve",
        ]  # fmt: skip
        found.start()
        done = found.console("node", "install", "root")
        assert done.returncode == 0, done.stderr
        yield found


def force(host: BareHost, options: str) -> None:
    key = (host.folder / "login.pub").read_text()
    (host.files / "run" / "authorized.serve").write_text(f"{options} {key}")


def node(host: BareHost, user: str, **environ: str) -> dict[str, Any]:
    done = host.console("nodes", "--json", environ=environ)
    found: dict[str, Any] = next(one for one in json.loads(done.stdout)["items"] if one["name"] == user)
    return found


def change(host: BareHost, node: str) -> dict[str, Any]:
    """What the audit has of a change by this node's login: the record of its intent."""
    reason = secrets.token_hex(8)
    done = host.console("node", "cordon", node, "--reason", reason, "--yes")
    assert done.returncode == 0, done.stderr
    files = (host.files / "var/lib/gpuyard/audit").glob("*.jsonl")
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    host.console("node", "uncordon", node, "--yes")
    found: dict[str, Any] = next(one for one in records if one["kind"] == "intent" and reason in one.get("reason", ""))
    return found


def ssh(host: BareHost, user: str, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """OpenSSH's own client, with the key of the inventory."""
    argv = ["ssh", "-F", "none", "-p", str(host.port), "-i", str(host.folder / "login"), "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={host.console_home}/.ssh/known_hosts", *words[:-1],
            f"{user}@127.0.0.1", *words[-1:]]  # fmt: skip
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"], "HOME": str(host.console_home)} | environ)  # fmt: skip


@contextmanager
def ssh_agent(folder: Path) -> Iterator[str]:
    """A real one; its socket."""
    place = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(place.exists, 10, "ssh-agent listens")
            yield str(place)
        finally:
            process.terminate()


def test_a_sealed_account_is_its_person_to_the_agent_and_may_do_nothing_else(host: BareHost) -> None:
    seen = node(host, "ann")
    assert (seen["state"], seen["way"], seen["role"]) == ("up", "socket", "operator")
    assert change(host, "ann").items() >= {"user": "ann", "way": "socket", "role": "operator"}.items()
    done = host.console("node", "sealed", "ann", "--check", "--json")
    assert done.returncode == 0, done.stdout
    assert ssh(host, "ann", "true").returncode != 0
    assert "SSH-2.0-" not in ssh(host, "ann", "-W", f"127.0.0.1:{host.port}", "-N").stdout
    assert ssh(host, "bob", "true").returncode == 0, "who is not of the group has his shell"


def test_a_forced_command_carries_a_label_that_the_agent_believes(host: BareHost) -> None:
    force(host, f'restrict,command="{FORCED}"')
    seen = node(host, "serve")
    assert (seen["state"], seen["way"], seen["role"]) == ("up", "bridge", "operator")
    assert change(host, "serve").items() >= LABELLED.items()


def test_a_forced_command_needs_a_real_shell(host: BareHost) -> None:
    accounts = host.folder / "etc" / "passwd"
    before = accounts.read_text()
    force(host, f'restrict,command="{FORCED}"')
    accounts.write_text(before.replace(":/home/serve:/bin/sh", ":/home/serve:/usr/sbin/nologin"))
    try:
        assert node(host, "serve")["state"] != "up"
        assert "not available" in host.console("nodes").stderr
    finally:
        accounts.write_text(before)


@pytest.mark.parametrize("restrict", ["restrict,", ""])
def test_restrict_keeps_agent_display_terminal_and_ports_from_a_forced_command(
    host: BareHost, tmp_path: Path, restrict: str
) -> None:
    """Without the word all of them are there: that is what makes the other half of this test worth something."""
    force(host, f'{restrict}command="env"')
    is_open = not restrict
    with ssh_agent(tmp_path) as place:
        given = ssh(host, "serve", "-A", "-Y", "sh", SSH_AUTH_SOCK=place, DISPLAY="localhost:63").stdout
    assert "SSH_ORIGINAL_COMMAND=sh" in given
    assert ("SSH_AUTH_SOCK=" in given) is is_open, given
    assert ("DISPLAY=" in given) is (is_open and shutil.which("xauth") is not None), given
    assert ("SSH_TTY=" in ssh(host, "serve", "-tt", "sh").stdout) is is_open
    assert ("SSH-2.0-" in ssh(host, "serve", "-W", f"127.0.0.1:{host.port}", "-N").stdout) is is_open
    listening = ssh(host, "serve", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9", "x")
    assert (listening.returncode == 255) is not is_open, listening.stderr


def test_a_login_of_such_a_host_needs_no_agent_of_its_own(host: BareHost) -> None:
    done = host.console("node", "install", "bob", "--json")
    (row,) = json.loads(done.stdout)["items"]
    assert (done.returncode, row["step"], row["why"]["code"]) == (1, "probe", "served")
    assert not any(host.home("bob").iterdir())


def certified(host: BareHost, folder: Path, *words: str) -> Path:
    """A new key, signed by the authority for the account serve."""
    keygen(folder / "ann")
    argv = ["ssh-keygen", "-q", "-s", str(host.folder / "authority"), "-I", "ann", "-n", "serve", *words]
    subprocess.run([*argv, str(folder / "ann.pub")], check=True, capture_output=True)
    return folder / "ann"


def enrolled(host: BareHost, key: Path | None) -> None:
    """The inventory has serve alone, by `key` or whatever ssh-agent holds."""
    fields = f", identity_file: {key}" if key else ""
    node = f"{{address: 127.0.0.1, port: {host.port}, user: serve{fields}}}"
    (host.folder / "inventory.yaml").write_text(f"gpuyard: 1\nnodes:\n  serve: {node}\n")


@pytest.fixture
def by_certificate(host: BareHost) -> Iterator[BareHost]:
    """No key of serve is accepted by itself."""
    (host.files / "run" / "authorized.serve").write_text("")
    yield host
    host.write_inventory()


def test_a_certificate_brings_its_forced_command(by_certificate: BareHost, tmp_path: Path) -> None:
    host = by_certificate
    enrolled(host, certified(host, tmp_path, "-O", "clear", "-O", f"force-command={FORCED}"))
    seen = node(host, "serve")
    assert (seen["state"], seen["way"], seen["role"]) == ("up", "bridge", "operator")
    assert change(host, "serve").items() >= LABELLED.items()


def test_a_certificate_in_ssh_agent_alone_logs_in_and_is_named_once_it_expired(
    by_certificate: BareHost, tmp_path: Path
) -> None:
    host = by_certificate
    enrolled(host, None)
    with ssh_agent(tmp_path) as place:
        hold(certified(host, tmp_path, "-V", "-5m:+1h"), place)
        assert node(host, "serve", SSH_AUTH_SOCK=place)["state"] == "up"
        subprocess.run(["ssh-add", "-q", "-D"], env={**os.environ, "SSH_AUTH_SOCK": place}, check=True)
        hold(certified(host, tmp_path, "-V", "-5h:-3h"), place)
        done = host.console("nodes", environ={"SSH_AUTH_SOCK": place})
    assert (done.returncode, "expired 3 h ago" in done.stderr) == (3, True), done.stderr


def hold(key: Path, place: str) -> None:
    """ssh-agent takes key and certificate; nothing stays on the disk."""
    subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, "SSH_AUTH_SOCK": place}, check=True)
    for file in key.parent.glob("ann*"):
        file.unlink()
