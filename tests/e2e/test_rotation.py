"""A known host that gets new keys: told, and recorded only when a person says yes, on the line and on the screen."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.console.terminal import Terminal
from tests.e2e.sshd import Host, keygen


@pytest.fixture
def rotating(host: Host) -> Host:
    """It shows the key that is known, and has another one of its kind."""
    keygen(host.folder / "next")
    host.stop()
    host.options = [f"HostKey {host.folder}/next"]
    host.start()
    return host


def own(host: Host) -> Path:
    return host.home / ".config" / "gpuyard" / "known_hosts"


def recorded(host: Host) -> bool:
    key = (host.folder / "next.pub").read_text().split()[1]
    return own(host).exists() and f"[127.0.0.1]:{host.port} ssh-ed25519 {key}" in own(host).read_text()


def fingerprint(host: Host) -> str:
    listed = subprocess.run(["ssh-keygen", "-lf", str(host.folder / "next.pub")], capture_output=True, check=True)
    return listed.stdout.decode().split()[1]


def terminal(host: Host, *words: str) -> Terminal:
    argv = [sys.executable, "-m", "console", *words, "--inventory", str(host.folder / "inventory.yaml")]
    return Terminal(argv, host.environment() | {"TERM": "xterm-256color"})


def test_it_is_told_and_nothing_is_replaced(rotating: Host) -> None:
    known = rotating.home / ".ssh" / "known_hosts"
    before = known.read_text()
    done = rotating.console("status")
    assert done.returncode == 0
    assert "changes its host keys" in done.stderr, done.stderr
    assert known.read_text() == before
    assert not own(rotating).exists()


@pytest.mark.parametrize(("answer", "is_recorded"), [("n", False), ("y", True)])
def test_a_command_asks_and_records_on_a_yes(rotating: Host, answer: str, is_recorded: bool) -> None:
    with terminal(rotating, "nodes") as asked:
        asked.until(lambda: "[y/N]" in asked.text())
        assert fingerprint(rotating) in asked.text().replace("\n", "")
        asked.press(f"{answer}\r")
        assert asked.ended() == 0
    assert recorded(rotating) is is_recorded
    assert ("changes its host keys" in rotating.console("status").stderr) is not is_recorded


def test_the_screen_asks_and_the_old_key_may_go_then(rotating: Host) -> None:
    with terminal(rotating) as asked:
        asked.until(lambda: "1/1 up" in asked.text())
        asked.press("2")
        asked.until(lambda: "its host changes its" in asked.text())
        asked.press("t")
        asked.until(lambda: fingerprint(rotating) in asked.text() and "yes, record that" in asked.text())
        while "yes, record that" in asked.text():  # it takes no key before it was painted
            asked.press("y")
            with suppress(TimeoutError):
                asked.until(lambda: "yes, record that" not in asked.text(), 1.0)
        asked.until(lambda: "its host changes its" not in asked.text())
        assert recorded(rotating)
    (rotating.folder / "host").write_bytes((rotating.folder / "next").read_bytes())
    rotating.stop()
    rotating.options = []
    rotating.start()
    assert rotating.console("status").returncode == 0, "the new key is known"
