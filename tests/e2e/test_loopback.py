"""Console ↔ sshd ↔ agent ↔ engine, both ways in: apply, ready, logs, restart, stop, nothing left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.sshd import Host, wait_until

OPTIONS = {"load_seconds": 0.2}


def run(host: Host, *words: str) -> str:
    done = host.console(*words)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def items(host: Host, kind: str, *words: str) -> list[dict[str, Any]]:
    document = json.loads(run(host, kind, *words, "--json"))
    assert (document["gpuyard"], document["kind"]) == (1, kind)
    found: list[dict[str, Any]] = document["items"]
    return found


def write_profile(host: Host, replicas: int = 1, **options: object) -> Path:
    path = host.folder / "profile.yaml"
    service = {"engine": "simulated", "model": "tiny", "replicas": replicas, "options": OPTIONS | options}
    document = {"gpuyard": 1, "profile": "p", "rollout": {"soak": "0s"}, "services": {"chat": service}}
    path.write_text(json.dumps(document))
    return path


def whole_life(host: Host, way: str) -> None:
    path = write_profile(host, replicas=2)
    planned = run(host, "apply", "-f", str(path), "--yes")
    assert "+ start    chat (2)  on here" in planned
    assert {one["name"]: one["phase"] for one in items(host, "instances")} == {"chat/0": "ready", "chat/1": "ready"}
    assert items(host, "nodes")[0]["way"] == way
    assert "Application startup complete" in run(host, "logs", "chat/0")
    assert "nothing to do" in host.console("apply", "-f", str(path), "--yes").stderr
    first = {one["name"]: one["pid"] for one in items(host, "instances")}
    run(host, "restart", "chat/0", "--yes")
    second = {one["name"]: one["pid"] for one in items(host, "instances")}
    assert second["chat/0"] != first["chat/0"]
    assert second["chat/1"] == first["chat/1"]
    assert run(host, "logs", "chat/0", "--previous")
    run(host, "drain", "chat/1", "--yes")
    held = {one["name"]: one for one in items(host, "instances")}["chat/1"]
    assert (held["phase"], held["reason"]["code"], held["pid"]) == ("draining", "empty", first["chat/1"])
    run(host, "start", "chat/1", "--yes")
    assert {one["name"]: one["phase"] for one in items(host, "instances")} == {"chat/0": "ready", "chat/1": "ready"}
    run(host, "stop", "chat/0", "--now", "--yes")
    run(host, "stop", "chat", "--yes")
    assert {one["phase"] for one in items(host, "instances")} == {"stopped"}
    assert not [pid for pid in (*first.values(), *second.values()) if psutil.pid_exists(pid)]


def test_the_whole_life_over_the_bridge(host: Host) -> None:
    whole_life(host, "bridge")


def test_the_whole_life_over_the_socket(host: Host) -> None:
    assert host.console("status").returncode == 0  # the bridge starts the daemon
    host.write_inventory(socket=str(host.state / "agent.sock"), agent="/nowhere/agent")
    whole_life(host, "socket")


def test_a_login_without_forwarding_falls_back_to_the_bridge(host: Host) -> None:
    assert host.console("status").returncode == 0
    host.stop()
    host.options = ["AllowStreamLocalForwarding no", "AllowTcpForwarding no"]
    host.start()
    host.write_inventory(socket=str(host.state / "agent.sock"))
    assert items(host, "nodes")[0]["way"] == "bridge"


def test_a_login_that_may_do_neither_is_told_which_options_to_change(host: Host) -> None:
    host.stop()
    host.options = ["MaxSessions 0", "AllowTcpForwarding no"]
    host.start()
    done = host.console("status")
    assert done.returncode == 3
    assert "PermitOpen" in done.stderr


def test_the_users_ssh_config_and_jump_host_are_obeyed(host: Host) -> None:
    config = host.home / ".ssh" / "config"
    config.write_text(
        f"Host yard\n  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.login_key}\n  ProxyJump jump\n"
        f"Host jump\n  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.login_key}\n"
    )
    nodes = "".join(f"  {name}: {{address: yard, agent: {host.agent}}}\n" for name in ("one", "two"))
    (host.folder / "inventory.yaml").write_text(f"gpuyard: 1\nnodes:\n{nodes}")
    assert {node["state"] for node in items(host, "nodes")} == {"up"}
    logins = (host.folder / "sshd.log").read_text().count("Accepted publickey")
    assert logins == 3  # the jump host once for both


def test_a_chain_of_jump_hosts_is_followed_in_its_order(host: Host) -> None:
    one = f"  HostName 127.0.0.1\n  Port {host.port}\n  IdentityFile {host.login_key}\n"
    names = ("yard", "first", "second")
    config = "".join(f"Host {name}\n{one}" for name in names) + "Host yard\n  ProxyJump first,second\n"
    (host.home / ".ssh" / "config").write_text(config)
    (host.folder / "inventory.yaml").write_text(f"gpuyard: 1\nnodes:\n  yard: {{address: yard, agent: {host.agent}}}\n")
    assert items(host, "nodes")[0]["state"] == "up"
    logins = (host.folder / "sshd.log").read_text().count("Accepted publickey")
    assert logins == len(names)


def test_run_without_a_file_and_start_what_was_stopped(host: Host) -> None:
    words = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--yes")
    run(host, "run", "one", *words)
    run(host, "run", "two", *words)
    assert {one["name"] for one in items(host, "instances")} == {"one/0", "two/0"}
    run(host, "stop", "here:one/0", "--yes")
    run(host, "start", "one", "--yes")
    assert {one["phase"] for one in items(host, "instances")} == {"ready"}
    assert [one["author"] for one in items(host, "events") if one["kind"] == "desired"]
    pids = {one["name"]: one["pid"] for one in items(host, "instances")}
    run(host, "down", "adhoc", "one", "--yes")
    assert {one["name"] for one in items(host, "instances")} == {"two/0"}
    assert "no instance of profile p" in host.console("down", "p", "--yes").stderr
    with (host.folder / "inventory.yaml").open("a") as inventory:
        inventory.write("  gone: {local: true, agent: /nowhere/agent}\n")
    done = host.console("down", "adhoc", "--yes")
    assert (done.returncode, "× prune    two/0  on here" in done.stdout) == (6, True), done.stderr
    assert "gone: /nowhere/agent cannot be run" in done.stderr
    assert host.console("down", "adhoc", "--yes").returncode == 3
    host.write_inventory()
    assert items(host, "instances") == []
    assert not [pid for pid in pids.values() if psutil.pid_exists(pid)]


def test_a_change_that_is_done_in_part_says_so(host: Host) -> None:
    path = host.folder / "profile.yaml"
    good = {"engine": "simulated", "model": "tiny", "options": OPTIONS}
    bad = good | {"options": {"program": "/nowhere/engine"}}
    rollout = {"soak": "0s", "on_failure": "pause"}
    document = {"gpuyard": 1, "profile": "p", "rollout": rollout, "services": {"good": good, "bad": bad}}
    path.write_text(json.dumps(document))
    done = host.console("apply", "-f", str(path), "--yes")
    assert done.returncode == 6
    assert "bad/0 failed: the program `/nowhere/engine` was not found" in done.stderr
    phases = {"bad/0": "failed", "good/0": "ready"}
    wait_until(lambda: {one["name"]: one["phase"] for one in items(host, "instances")} == phases, 20, "good is ready")
    run(host, "stop", "good", "--yes")


def test_nobody_at_the_terminal_means_no_change(host: Host) -> None:
    done = host.console("apply", "-f", str(write_profile(host)))
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert host.console("apply", "-f", str(write_profile(host)), "--yes", "--read-only").returncode == 1
    assert items(host, "instances") == []


def test_a_lowered_role_may_look_and_not_touch(host: Host) -> None:
    host.write_agent(host.agent.read_text().removeprefix("#!/bin/sh\n").strip() + " --role viewer")
    assert items(host, "nodes")[0]["role"] == "viewer"
    done = host.console("apply", "-f", str(write_profile(host)), "--yes")
    assert done.returncode == 1
    assert "a viewer may not do this" in done.stderr


def in_the_background(host: Host, *words: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "console", *words, "--inventory", str(host.folder / "inventory.yaml")]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=host.environment(), cwd=host.folder)


def test_following_a_log_ends_with_an_interrupt(host: Host) -> None:
    run(host, "apply", "-f", str(write_profile(host)), "--yes")
    with in_the_background(host, "logs", "chat", "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    run(host, "stop", "chat", "--yes")


def test_following_a_log_goes_on_when_the_agent_comes_back(host: Host) -> None:
    run(host, "apply", "-f", str(write_profile(host)), "--yes")
    with in_the_background(host, "logs", "chat", "-f", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        os.kill(int((host.state / "agent.lock").read_text()), signal.SIGKILL)
        assert "the link to here is lost" in process.stderr.readline()
        assert "the link to here is back" in process.stderr.readline()
        run(host, "stop", "chat", "--yes")
        again = json.loads(process.stdout.readline())
        while not again["text"]:
            again = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert (first["kind"], first["node"], first["instance"]) == ("log", "here", "chat/0")
    assert (again["offset"], again["incarnation"]) == (first["next_offset"], first["incarnation"])


def test_a_wait_ends_when_somebody_else_wants_otherwise(host: Host) -> None:
    run(host, "apply", "-f", str(write_profile(host, load_seconds=300)), "--yes", "--no-wait")
    with in_the_background(host, "restart", "chat", "--yes") as process:
        assert process.stderr is not None
        while "loading" not in process.stderr.readline():
            assert process.poll() is None
        run(host, "stop", "chat", "--yes")
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "superseded by" in said
    assert "(stop chat)" in said


def test_the_console_leaves_nothing_of_itself_on_the_host(host: Host) -> None:
    assert host.console("status").returncode == 0

    def bridges() -> list[int]:
        return [pid for pid in host.processes() if "attach" in psutil.Process(pid).cmdline()]

    wait_until(lambda: not bridges(), 10, "no bridge is left")
    assert host.processes()


def test_watching_prints_again_until_nobody_reads(host: Host) -> None:
    with in_the_background(host, "ps", "-w", "-o", "wide") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline().split()[0] for _ in range(2)] == ["Phase", "Phase"]
        process.stdout.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
