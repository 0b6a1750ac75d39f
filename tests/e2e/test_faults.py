"""What goes wrong, for real: one line with the cause and the fix, the right exit code, no hang."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.remote.hostkeys import UnknownKey
from console.remote.hostkeys import store as vouch_for
from tests.e2e.sshd import Host, keygen


def fails(host: Host, *words: str, code: int) -> str:
    """stderr of a command that must fail with `code`: a single line for a person, and no traceback."""
    done = host.console(*words)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert all(line.startswith("gpuyard: ") for line in done.stderr.splitlines()), done.stderr
    return done.stderr


def test_an_unknown_host_key_is_shown_with_its_fingerprint(host: Host) -> None:
    (host.home / ".ssh" / "known_hosts").unlink()
    said = fails(host, "status", code=3)
    listed = ["ssh-keygen", "-lf", str(host.folder / "host.pub")]
    fingerprint = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()[1]
    assert fingerprint in said
    assert "is not known" in said
    assert not (host.home / ".config" / "gpuyard" / "known_hosts").exists()


def test_a_key_that_was_vouched_for_is_trusted_from_then_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (host.home / ".ssh" / "known_hosts").unlink()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(host.home / ".config"))
    algorithm, key = (host.folder / "host.pub").read_text().split()[:2]
    vouch_for(UnknownKey(host="127.0.0.1", port=host.port, algorithm=algorithm, fingerprint="", key=key))
    stored = host.home / ".config" / "gpuyard" / "known_hosts"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert host.console("status").returncode == 0


def test_a_changed_host_key_is_never_accepted(host: Host) -> None:
    host.stop()
    host.new_host_key()
    host.start()
    said = fails(host, "status", code=3)
    assert "HAS CHANGED" in said
    assert said.count("SHA256:") == 2
    assert "ssh-keygen -R" in said
    assert fails(host, "stop", "chat", "--yes", code=3)


def test_a_refused_login_says_what_to_try(host: Host) -> None:
    keygen(host.folder / "stranger")
    host.write_inventory(identity_file=str(host.folder / "stranger"))
    said = fails(host, "nodes", code=3)
    assert "refused the login" in said
    assert "ssh 127.0.0.1" in said


def test_a_missing_key_file_is_named(host: Host) -> None:
    host.write_inventory(identity_file=str(host.folder / "nowhere"))
    assert str(host.folder / "nowhere") in fails(host, "status", code=3)


def test_a_host_without_the_agent_says_so(host: Host) -> None:
    host.write_inventory(agent="/nowhere/gpuyard-agent")
    said = fails(host, "status", code=3)
    assert "there is no gpuyard-agent on the host" in said
    assert "install" in said


def test_an_agent_of_another_protocol_is_refused(host: Host) -> None:
    host.write_agent('printf "gpuyard/99 0123456789abcdef\\n"; cat >/dev/null')
    said = fails(host, "status", code=3)
    assert "gpuyard/99" in said
    assert "upgrade" in said


def test_a_bridge_that_fails_is_quoted(host: Host) -> None:
    host.write_agent('echo "the state directory is not writable" >&2; exit 1')
    assert "the state directory is not writable" in fails(host, "status", code=3)


def test_an_agent_that_says_nothing_is_given_up(host: Host) -> None:
    host.write_agent("exec sleep 300")
    began = time.monotonic()
    assert "no answer within" in fails(host, "status", code=3)
    assert time.monotonic() - began < 30


def test_the_talk_of_a_login_shell_is_skipped(host: Host) -> None:
    works = host.agent.read_text().removeprefix("#!/bin/sh\n")
    host.write_agent(f"echo 'Welcome to fra-1!'; echo gpuyard; {works}")
    done = host.console("nodes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"][0]["state"] == "up"


def test_hostile_text_of_an_agent_does_not_reach_the_terminal(host: Host) -> None:
    host.write_agent(r"""printf '\033]52;c;ZXZpbA==\007\033[2Jevil\n' >&2; printf '\033[31mnoise\n'; exit 1""")
    done = host.console("status")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
    assert "evil" in done.stderr


def test_no_sshd_is_a_refused_connection(host: Host) -> None:
    host.stop()
    said = fails(host, "instances", code=3)
    assert "nothing listens for ssh" in said


def test_a_name_that_nobody_knows(host: Host) -> None:
    host.write_inventory(address="no-such-host.invalid")
    assert "no-such-host.invalid" in fails(host, "status", code=3)


def test_a_lost_node_leaves_the_rest_of_a_list_standing(host: Host) -> None:
    inventory = host.folder / "inventory.yaml"
    inventory.write_text(inventory.read_text() + f"  gone: {{address: 127.0.0.1, port: {host.port}, user: nobody-x}}\n")
    done = host.console("nodes", "--json")
    assert done.returncode == 3
    states = {item["name"]: item["state"] for item in json.loads(done.stdout)["items"]}
    assert states == {"here": "up", "gone": "refused"}
    assert done.stderr.startswith("gpuyard: gone: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("gpuyard: 1\nprofile: p\nservices:\n  chat: {modle: x}\n", ":4:10"),
        ("gpuyard: 1\nprofile: p\nservices: {chat: {engine: simulated, model: x, options: {seeds: 1}}}\n", "seed"),
        ("gpuyard: [1\n", "not valid YAML"),
    ],
)
def test_an_invalid_profile_is_refused_with_its_place(host: Host, text: str, place: str) -> None:
    path = host.folder / "profile.yaml"
    path.write_text(text)
    assert place in fails(host, "apply", "-f", str(path), "--yes", code=64)


def test_a_missing_file_and_an_invalid_inventory(host: Host) -> None:
    assert "cannot be read" in fails(host, "apply", "-f", "/nowhere.yaml", "--yes", code=64)
    host.write_inventory(color="blue")
    assert "unknown key `color`" in fails(host, "status", code=64)


def profile(host: Host, **service: object) -> Path:
    path = host.folder / "profile.yaml"
    path.write_text(json.dumps({"gpuyard": 1, "profile": "p", "services": {"chat": service}}))
    return path


def test_a_missing_model_file_fails_before_anything_runs(host: Host) -> None:
    path = profile(host, engine="llama_cpp", model=str(host.folder / "nowhere.gguf"), options={"program": "/bin/true"})
    said = fails(host, "apply", "-f", str(path), "--yes", code=5)
    assert "nowhere.gguf" in said


def test_a_missing_engine_binary_is_named(host: Host) -> None:
    path = profile(host, engine="vllm", model="x", options={"program": "/nowhere/vllm"})
    said = fails(host, "apply", "-f", str(path), "--yes", code=5)
    assert "/nowhere/vllm" in said


def test_a_port_in_use_is_named(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = profile(host, engine="simulated", model="x", port=port)
        assert str(port) in fails(host, "apply", "-f", str(path), "--yes", code=5)


def test_what_cannot_be_placed_changes_nothing(host: Host) -> None:
    path = profile(host, engine="simulated", model="x", gpus={"devices": ["here/7"]})
    assert "chat" in fails(host, "apply", "-f", str(path), "--yes", code=1)
    assert json.loads(host.console("instances", "--json").stdout)["items"] == []


def test_a_person_at_the_terminal_may_vouch_for_a_key(host: Host) -> None:
    (host.home / ".ssh" / "known_hosts").unlink()
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "console", "status", "--inventory", str(host.folder / "inventory.yaml")]
    os.write(ours, b"y\n")  # waits in the terminal until it is asked for
    try:
        done = subprocess.run(argv, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True, timeout=30,
                              env=host.environment(), cwd=host.folder, check=False)  # fmt: skip
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "does its admin confirm this fingerprint?" in said
    assert done.stdout.startswith("1 of 1 node up")
    assert (host.home / ".config" / "gpuyard" / "known_hosts").exists()
