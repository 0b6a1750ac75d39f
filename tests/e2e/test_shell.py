"""A shell over OpenSSH from the real console on a pseudo-terminal, and from the command line; the node notes it."""

import sys
from pathlib import Path

import psutil
import pytest

from console import shell
from console.inventory import Node
from tests.console.terminal import Terminal
from tests.e2e.sshd import Host
from tests.e2e.test_undo import done, gpuyard, items


def test_what_ssh_is_told() -> None:
    node = Node(address="n", port=2222, user="ops", identity_file="/k", known_hosts="/my hosts")
    assert shell.words(node, ["ls", "-l"]) == [
        "ssh", "-p", "2222", "-l", "ops", "-i", "/k", "-o", "IdentitiesOnly=yes",
        "-o", 'GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts "/my hosts"', "--", "n", "ls", "-l",
    ]  # fmt: skip
    assert shell.words(Node(address="n")) == ["ssh", "--", "n"]


@pytest.fixture
def known(host: Host) -> Host:
    """Its key beside the user's own known hosts: ssh looks for those in the home of the account."""
    host.write_inventory(known_hosts=str(host.home / ".ssh" / "known_hosts"))
    return host


def notes(host: Host) -> list[str]:
    return [event["text"] for event in items(host, "events") if event["code"] == "shell"]


def test_a_command_s_exit_code_is_ours_and_the_node_keeps_a_note(known: Host) -> None:
    ended = gpuyard(known, "ssh", "here")  # options before `--`
    assert ended.returncode == 0, ended.stderr
    argv = [sys.executable, "-m", "console", "ssh", "here", "--inventory", str(known.folder / "inventory.yaml"), "--"]
    with Terminal([*argv, "echo in-$((40+2)); exit 7"], known.environment() | {"LOGNAME": "ana"}) as terminal:
        assert terminal.ended() == 7
        assert "in-42" in terminal.text()
    assert len(notes(known)) == 2
    assert "status 7" in notes(known)[1]
    authors = [event["author"] for event in items(known, "events") if event["code"] == "shell"]
    assert authors == ["ana", "ana"]
    assert "noteshell" in "".join(path.read_text() for path in (known.state / "audit").glob("*.jsonl"))
    assert gpuyard(known, "ssh", "nowhere").returncode == 64


def test_ssh_that_fails_is_exit_code_3(known: Host) -> None:
    done(known, "nodes")
    known.new_host_key()
    known.stop()
    known.start()
    ended = gpuyard(known, "ssh", "here")
    assert ended.returncode == 3
    assert "keeps no note" in ended.stderr


@pytest.mark.parametrize("killed", [False, True])
def test_the_screen_comes_back(known: Host, killed: bool) -> None:
    argv = [sys.executable, "-m", "console", "--inventory", str(known.folder / "inventory.yaml")]
    env = known.environment() | {"TERM": "xterm-256color", "LOGNAME": "ana", "PS1": "$ "}
    with Terminal(argv, env) as terminal:
        terminal.until(lambda: "1/1 up" in terminal.text())
        terminal.press("2")
        terminal.until(lambda: "nodes  " in terminal.lines()[-1])
        terminal.press("s")
        child = _ssh(terminal)
        terminal.press("echo in-$((40+2))\r")
        terminal.until(lambda: "in-42" in terminal.text())
        if killed:
            child.kill()
        else:
            terminal.press("exit 5\r")
        status = 137 if killed else 5
        terminal.until(lambda: f"status {status}" in terminal.text())
        assert "nodes  " in terminal.lines()[-1]
        terminal.press("1")
        terminal.until(lambda: "pulse  " in terminal.lines()[-1])
        terminal.press("q")
        assert terminal.ended() == 0
    (text,) = notes(known)
    assert f"status {status}" in text


def test_what_ssh_said_last_can_be_read(known: Host) -> None:
    argv = [sys.executable, "-m", "console", "--inventory", str(known.folder / "inventory.yaml")]
    with Terminal(argv, known.environment() | {"TERM": "xterm-256color"}) as terminal:
        terminal.until(lambda: "1/1 up" in terminal.text())
        terminal.press("2")
        terminal.until(lambda: "nodes  " in terminal.lines()[-1])
        known.stop()
        terminal.press("s")
        terminal.until(lambda: "enter goes back" in terminal.text())
        assert "Connection refused" in terminal.text()
        terminal.press("\r")
        terminal.until(lambda: "status 255" in terminal.text())  # the picture of before may still be there
        assert "nodes  " in terminal.lines()[-1]
        terminal.press("q")
        assert terminal.ended() == 0


def _ssh(terminal: Terminal) -> psutil.Process:
    found: list[psutil.Process] = []

    def begun() -> bool:
        found[:] = [
            one for one in psutil.Process(terminal.child.pid).children() if Path(one.cmdline()[0]).name == "ssh"
        ]
        return bool(found)

    terminal.until(begun)
    return found[0]
