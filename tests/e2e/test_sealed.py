"""sshd's settings for sealed logins, written on a host that runs OpenSSH's sshd and kept only where they hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.hosts.sealed import snippet
from tests.e2e.barehost import bare_host
from tests.e2e.sshd import wait_until
from tests.e2e.yard import Yard

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make accounts and write sshd's settings")
BEGIN = "# gpuyard: begin"


@pytest.mark.parametrize("included", [False, True])
def test_settings_are_written_tried_and_kept(yard: Yard, included: bool) -> None:
    if included:
        (yard.host.folder / "sshd_config.d").mkdir()
        yard.restart(f"Include {yard.host.folder}/sshd_config.d/*.conf")
    written = yard.host.folder / "sshd_config.d" / "gpuyard.conf" if included else yard.config
    before = yard.config.read_text()
    done = yard.seal("--write", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    doors = {one["door"]: one["open"] for one in json.loads(done.stdout)["items"]}
    assert [name for name, is_open in doors.items() if is_open] == ["the agent's socket"]
    assert {"a shell", "a terminal", "a TCP port", "X11 forwarding", "agent forwarding"} < set(doors)
    assert snippet("ann", str(yard.agent.socket)) in written.read_text()
    assert yard.config.read_text().startswith(before)
    assert not list(yard.host.folder.rglob("*.before"))
    again = yard.seal("--write", "--yes")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True), again.stderr
    assert written.read_text().count(BEGIN) == 1
    assert "WRONG  a shell: open" in yard.host.console("node", "sealed", "here", "--check").stdout, "root has his shell"


def test_settings_that_do_not_hold_are_put_back(yard: Yard) -> None:
    yard.restart("Match Group ann", "  MaxSessions 10")
    before = yard.config.read_text()
    done = yard.seal("--write", "--yes")
    assert done.returncode == 1, done.stdout
    assert "open all the same: a command, a shell" in done.stderr
    assert "WRONG  a shell: open" in done.stdout
    assert yard.config.read_text() == before
    loose = {one["door"] for one in json.loads(yard.seal("--check", "--json").stdout)["items"] if not one["right"]}
    assert loose >= {"a TCP port", "another spelling of its path"}, "sshd reads the settings before again"


def test_settings_that_sshd_refuses_never_reach_it(yard: Yard) -> None:
    yard.config.write_text(f"{yard.config.read_text()}Nonsense yes\n")
    before = yard.config.read_text()
    done = yard.seal("--write", "--yes")
    assert (done.returncode, "Nonsense" in done.stderr) == (1, True), done.stderr
    assert yard.config.read_text() == before
    assert yard.host.console("nodes").returncode == 0


def test_a_console_that_dies_leaves_the_settings_before(yard: Yard) -> None:
    yard.host.write_inventory(socket="/run/nobody-listens-here.sock")
    before = yard.config.read_text()
    words = ["node", "sealed", "here", "--write", "--yes", "--as", "ann", "--group", "ann"]
    argv = [sys.executable, "-m", "console", *words, "--inventory", str(yard.host.folder / "inventory.yaml")]
    with subprocess.Popen(argv, env=yard.host.environment(), cwd=yard.host.folder, stderr=subprocess.PIPE) as console:
        wait_until(lambda: BEGIN in yard.config.read_text(), 20, "the settings are written")
        console.kill()
    wait_until(lambda: yard.config.read_text() == before, 10, "the settings before are back")


def test_who_would_shut_itself_out_is_refused(yard: Yard) -> None:
    before = yard.config.read_text()
    done = yard.host.console("node", "sealed", "here", "--write", "--yes", "--as", "root", "--group", "root")
    assert (done.returncode, "shut itself out" in done.stderr) == (1, True), done.stderr
    unknown = yard.host.console("node", "sealed", "here", "--write", "--yes", "--as", "root", "--group", "ann")
    assert (unknown.returncode, "usermod -aG ann root" in unknown.stderr) == (1, True), unknown.stderr
    assert yard.host.console("node", "sealed", "here", "--write", "--yes").returncode == 64
    assert yard.config.read_text() == before


def test_an_account_that_cannot_log_in_leaves_everything(yard: Yard) -> None:
    yard.restart("AllowUsers root")
    before = yard.config.read_text()
    done = yard.seal("--write", "--yes")
    assert (done.returncode, "ann cannot log in" in done.stderr) == (1, True), done.stderr
    assert yard.config.read_text() == before


def test_without_rights_the_settings_are_printed(yard: Yard) -> None:
    yard.host.write_inventory(socket=str(yard.agent.socket), user="bob")
    before = yard.config.read_text()
    done = yard.seal("--write", "--yes")
    assert (done.returncode, "neither root there nor" in done.stderr) == (1, True), done.stderr
    assert snippet("ann", str(yard.agent.socket)) in done.stdout
    assert yard.config.read_text() == before


def test_sudo_is_used_where_the_login_is_not_root(yard: Yard) -> None:
    programs = yard.host.folder / "bin"
    programs.mkdir()
    for name, script in (
        ("id", '[ "$*" = -u ] && { echo 1000; exit; }; exec /usr/bin/id "$@"'),
        ("sudo", f'echo "$*" >>{programs}/called; [ "$1" = -n ] && shift && exec "$@"'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    yard.restart(f"SetEnv PATH={programs}:/usr/bin:/bin")
    done = yard.seal("--write", "--yes")
    assert done.returncode == 0, done.stderr
    assert (programs / "called").read_text().splitlines() == ["-n true", "-n sh -s"]


def test_a_host_is_installed_and_sealed_in_one_go(tmp_path: Path) -> None:
    with bare_host(tmp_path, ("bob", "ada", "root"), start=False) as host:
        host.keep_by_unit('gpuyard = 1\ngroup = "ada"\n[roles]\nada = "operator"\n')
        host.start()
        words = ("node", "install", "root", "--sealed", "--as", "ada", "--group", "ada", "--json")
        done = host.console(*words)
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)["items"]
        assert (row["outcome"], row["notes"]) == ("done", ["logins of ada are sealed"])
        assert BEGIN in (host.folder / "sshd_config").read_text()
        nodes = json.loads(host.console("nodes", "--json").stdout)["items"]
        assert {one["name"]: (one["way"], one["role"]) for one in nodes if one["state"] == "up"} == {
            "root": ("socket", "admin"), "ada": ("socket", "operator"),
        }  # fmt: skip
        (again,) = json.loads(host.console(*words).stdout)["items"]
        assert again["outcome"] == "unchanged"
