"""The recipes of docs/security.md, taken from the page as they stand and run against OpenSSH's sshd.

A test names what stands in the page for its own hosts and accounts; a word that the page has no longer is an error.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.e2e import sshd
from tests.e2e.sshd import Host
from tests.e2e.test_loopback import items
from tests.e2e.yard import Yard

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def blocks(title: str) -> list[str]:
    """What stands between fences below the heading `title`, in order."""
    assert f"\n### {title}\n" in PAGE
    section = re.split(r"\n##+ ", PAGE.partition(f"\n### {title}\n")[2])[0]
    return re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def here(text: str, *words: tuple[str, object]) -> str:
    """`text` with what stands for the site's own words."""
    for theirs, ours in words:
        assert theirs in text, f"the recipe has no `{theirs}`"
        text = text.replace(theirs, str(ours))
    return text


def issue(folder: Path, script: str) -> None:
    """Run the authority's shell lines where the person's key lies; whoever is asked for a passphrase answers."""
    askpass = folder / "askpass"
    askpass.write_text("#!/bin/sh\necho a passphrase\n")
    askpass.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    done = subprocess.run(["sh", "-euc", script], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def doors(yard: Yard) -> list[str]:
    """Those that are open to ann."""
    done = yard.seal("--check", "--json")
    assert done.stdout, done.stderr
    return [one["door"] for one in json.loads(done.stdout)["items"] if one["open"]]


def test_user_certificates(yard: Yard) -> None:
    host = yard.host
    morning, settings, shared = blocks("User certificates")
    yard.restart(*here(settings, ("/etc/ssh", host.folder)).splitlines())
    (host.folder / "authorized").write_text("")
    shutil.copy(host.folder / "login.pub", host.folder / "id_ed25519.pub")
    certificate = host.folder / "id_ed25519-cert.pub"

    issue(host.folder, morning)
    (host.folder / "login-cert.pub").write_text(certificate.read_text())
    host.write_inventory(socket=str(yard.agent.socket), user="ann")
    node = items(host, "nodes")[0]
    assert (node["way"], node["role"]) == ("socket", "operator")

    issue(host.folder, here(shared, ("-n serve", "-n root"), ("/usr/local/bin/gpuyard-agent", host.agent)))
    (host.folder / "login-cert.pub").write_text(certificate.read_text())
    host.write_inventory()
    node = items(host, "nodes")[0]
    assert (node["way"], node["role"]) == ("bridge", "operator")
    revoke = re.search(r"`(ssh-keygen -k[^`]+)`", PAGE)
    assert revoke is not None
    issue(host.folder, here(revoke[1], ("KEY.pub", "login.pub")))
    assert "refused the login" in host.console("nodes").stderr


def test_one_key_with_permitopen_and_permitlisten(yard: Yard) -> None:
    (line,) = blocks("One key: `permitopen` and `permitlisten`")
    public = (yard.host.folder / "login.pub").read_text().strip()
    words = (("/run/gpuyard/agent.sock", yard.agent.socket), ("ssh-ed25519 AAAA…", public))
    (yard.host.folder / "authorized").write_text(here(line, *words))
    session = ["a command", "a shell"]
    assert doors(yard) == ["the agent's socket", *session, "a socket that listens"]
    yard.restart("AllowStreamLocalForwarding local")
    assert doors(yard) == ["the agent's socket", *session]
    yard.host.write_inventory(socket=str(yard.agent.socket), user="ann")
    assert items(yard.host, "nodes")[0]["way"] == "socket"


def test_a_jump_host(yard: Yard) -> None:
    config, settings = blocks("A jump host")
    with tempfile.TemporaryDirectory(prefix="gy") as name:
        Path(name).chmod(0o755)
        with sshd.host(Path(name), yard.host.within) as jump:
            only = ("gpu-1.example:22 gpu-2.example:22", f"127.0.0.1:{yard.host.port}")
            jump.options = here(settings, ("gpuyard", "ann"), only).splitlines()
            jump.stop()
            jump.start()
            enrol(yard, jump, here(
                config, ("jump.example", f"127.0.0.1\n    Port {jump.port}\n    IdentityFile {jump.login_key}"),
                ("%h.example", f"127.0.0.1\n    Port {yard.host.port}\n    IdentityFile {yard.host.login_key}"),
            ))  # fmt: skip
            found = items(yard.host, "nodes")
            assert {one["name"]: one["state"] for one in found} == {"gpu-1": "up", "gpu-2": "up"}
            assert (jump.folder / "sshd.log").read_text().count("Accepted publickey") == 1
            assert by_ssh(yard, "jump", "true").returncode != 0
            assert "SSH-2.0-" in by_ssh(yard, "-W", f"127.0.0.1:{yard.host.port}", "jump").stdout
            assert "SSH-2.0-" not in by_ssh(yard, "-W", f"127.0.0.1:{jump.port}", "jump").stdout


def enrol(yard: Yard, jump: Host, config: str) -> None:
    """ssh config, known hosts and an inventory that says nothing but names."""
    (yard.host.home / ".ssh" / "config").write_text(config)
    lines = [f"[127.0.0.1]:{one.port} {(one.folder / 'host.pub').read_text()}" for one in (yard.host, jump)]
    (yard.host.home / ".ssh" / "known_hosts").write_text("".join(lines))
    node = f"{{socket: {yard.agent.socket}}}"
    (yard.host.folder / "inventory.yaml").write_text(f"gpuyard: 1\nnodes:\n  gpu-1: {node}\n  gpu-2: {node}\n")


def by_ssh(yard: Yard, *words: str) -> "subprocess.CompletedProcess[str]":
    home = yard.host.home / ".ssh"
    argv = ["ssh", "-F", str(home / "config"), "-o", f"UserKnownHostsFile={home}/known_hosts", "-o", "BatchMode=yes"]
    return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30, check=False,
                          stdin=subprocess.DEVNULL)  # fmt: skip


def test_every_symptom_is_what_the_console_says() -> None:
    table = PAGE.partition("### When it does not work")[2].partition("\n## ")[0]
    symptoms = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    said = "\n".join(file.read_text() for room in ("console", "agents") for file in (ROOT / room).rglob("*.py"))
    of_others = {"This account is currently not available"}
    changing = {"ann": "{name}", "3 h": "{span}", "jump": "{guard.host}"}
    assert len(symptoms) > 8
    for symptom in set(symptoms) - of_others:
        fixed = re.split("|".join(map(re.escape, changing)), symptom)
        assert all(part in said for part in fixed), symptom
