"""From a bare host to an agent that answers, and back: OpenSSH's sshd, a jump host, no index on the host's side."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.inventory import load
from tests.e2e.barehost import BareHost, bare_host
from tests.e2e.sshd import wait_until

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("agents", "console", "engines", "profiles")
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[BareHost]:
    """Runs, with the accounts ada and root."""
    with bare_host(tmp_path, ("ada", "root")) as found:
        yield found


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[BareHost]:
    """The same for tests that change the host before its sshd starts."""
    with bare_host(tmp_path, ("ada", "root"), start=False) as found:
        yield found


def results(host: BareHost, *words: str, code: int = 0, **environ: str) -> dict[str, dict[str, Any]]:
    """The rows of `node VERB …`, by node."""
    done = host.console("node", *words, "--json", environ=environ)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return {row["node"]: row for row in json.loads(done.stdout)["items"]}


def tree(host: BareHost) -> list[str]:
    """Everything that the host has of its own, with what it links to or holds; it may be clearing up meanwhile.

    Where a login asked sudo, sudo keeps a note of it in /run, as does mount.
    """
    noted = host.files / "run" / "sudo"
    there = (Path(at) / name for at, folders, files in os.walk(host.files) for name in (*folders, *files))
    found = (path for path in there if path.name != "mount" and not path.is_relative_to(noted))
    return sorted(_entry(path, host.files) for path in found)


def _entry(path: Path, root: Path) -> str:
    try:
        held = str(path.readlink()) if path.is_symlink() else path.read_bytes().hex() if path.is_file() else ""
    except FileNotFoundError:
        held = "(going)"
    return f"{path.relative_to(root)} {held}"


def assert_knows_its_calls(host: BareHost, root: str) -> None:
    """The program for what needs root, as it is installed."""
    assert host.process is not None
    argv = [
        "nsenter",
        "-m",
        "-t",
        str(host.process.pid),
        f"{root}/current/bin/gpuyard-agent-root",
        "signal",
        "1",
        "9",
        "kill",
    ]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=30, cwd="/")
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "signal: Expected `int` >= 2 - at `$.pid`" in ended.stderr


def fake(host: BareHost, name: str, script: str) -> None:
    """A program that the logins of the host find before the real one."""
    path = host.files / "usr/local/bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_from_bare_to_green_and_back_for_root_and_for_a_user(host: BareHost) -> None:
    before = tree(host)
    done = results(host, "install", "ada", "root")
    assert {row["outcome"] for row in done.values()} == {"done"}
    assert done["ada"]["python"].startswith("3.")
    assert done["ada"]["service"] == "detached"
    assert "not restarted after boot" in done["ada"]["notes"][0]
    assert (host.files / "opt/gpuyard/current/bin/gpuyard-agent").is_file()
    assert_knows_its_calls(host, "/opt/gpuyard")
    assert (host.home("ada") / ".local/state/gpuyard").is_dir()
    agents = host.agents()
    assert len(agents) == 2
    nodes = json.loads(host.console("nodes", "--json").stdout)["items"]
    assert {node["state"] for node in nodes} == {"up"}
    again = results(host, "install", "ada", "root")
    assert {row["outcome"] for row in again.values()} == {"unchanged"}
    assert host.agents() == agents
    path = host.folder / "inventory.yaml"
    path.write_text(f"# ours\n{path.read_text()}  # the end\n")
    removed = host.console("node", "remove", "ada", "root", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert tree(host) == before
    assert not host.agents()
    assert list(load(path).nodes) == ["root"]
    assert "root stays in" in removed.stderr
    assert path.read_text().startswith("# ours\n")
    assert path.read_text().endswith("  # the end\n")


def test_an_agent_that_is_gone_is_started_again(host: BareHost) -> None:
    results(host, "install", "ada")
    (agent,) = host.agents()
    psutil.Process(agent).terminate()
    wait_until(lambda: not host.agents(), 10, "the agent is gone")
    assert results(host, "install", "ada")["ada"]["outcome"] == "done"
    assert host.agents()


def test_one_failure_does_not_stop_the_others(host: BareHost) -> None:
    (host.home("ada") / ".local").write_text("in the way")
    done = results(host, "install", "ada", "root", code=6)
    assert (done["ada"]["outcome"], done["root"]["outcome"]) == ("failed", "done")
    assert (host.home("ada") / ".local").read_text() == "in the way"


def test_a_shell_that_talks_is_not_taken_for_an_answer(host: BareHost) -> None:
    noise = host.home("ada") / ".ssh" / "rc"
    noise.parent.mkdir()
    noise.write_text("echo Welcome to ada; echo 'uid 0'; echo 'end 1' >&2\n")
    assert results(host, "install", "ada")["ada"]["outcome"] == "done"


@pytest.mark.parametrize(
    ("program", "script", "step", "says"),
    [
        ("uname", '[ "$1" = -m ] && { echo riscv64; exit; }; exec /bin/uname "$@"', "probe", "riscv64"),
        ("tar", 'cd "$4" && /bin/tar "$@" && echo more >>"$(ls *.whl | head -n 1)"', "verify", "not what was sent"),
        ("tar", "echo tar: No space left on device >&2; exit 2", "send", "No space left"),
    ],
)
def test_what_the_host_gets_wrong_is_named_and_nothing_stays(
    host: BareHost, program: str, script: str, step: str, says: str
) -> None:
    fake(host, program, script)
    before = tree(host)
    row = results(host, "install", "ada", code=1)["ada"]
    assert (row["outcome"], row["step"]) == ("failed", step)
    assert says in row["why"]["text"]
    assert row["why"]["hint"]
    assert tree(host) == before
    assert not host.agents()


@pytest.mark.parametrize(
    ("options", "step", "says"),
    [
        ("size=8m", "probe", "MiB are free"),
        ("size=48m,nr_inodes=120", "unpack", "No space left"),
        ("size=48m,noexec", "start", "Permission denied"),
        ("size=48m,ro", "probe", "cannot be written"),
    ],
)
def test_a_home_that_cannot_hold_it_is_left_as_it_was(stopped: BareHost, options: str, step: str, says: str) -> None:
    uid = stopped.home("ada").stat().st_uid
    mount = f"mount -t tmpfs -o {options},uid={uid},gid={uid},mode=755 tmpfs /home/ada"
    stopped.set_up = [mount]
    stopped.start()
    row = results(stopped, "install", "ada", code=1)["ada"]
    assert (row["outcome"], row["step"]) == ("failed", step)
    assert says in row["why"]["text"]
    pid = next(pid for pid in stopped.pids() if "sshd" in psutil.Process(pid).name())
    after = subprocess.run(["find", "."], cwd=f"/proc/{pid}/root/home/ada", capture_output=True, text=True, check=True)
    assert after.stdout.split() == ["."]
    assert not stopped.agents()


CUT = """up() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"; }
at=$$
while [ "$(cat /proc/$at/comm)" != sshd ]; do at=$(up $at); done
kill -9 $at
"""


@pytest.mark.parametrize(("program", "then"), [("tar", 'head -c 100000 | /bin/tar "$@"'), ("sha256sum", "exit 0")])
def test_a_link_that_breaks_leaves_nothing(host: BareHost, program: str, then: str) -> None:
    fake(host, program, f"{CUT}\n{then}")
    before = tree(host)
    row = results(host, "install", "ada", code=3)["ada"]
    assert row["outcome"] == "unreachable"
    assert "broke" in row["why"]["text"]
    wait_until(lambda: tree(host) == before, 20, "the host is as it was")
    assert not host.agents()


def test_another_agent_that_answers_instead_is_a_failure(host: BareHost) -> None:
    fake(host, "gpuyard-agent", "echo I am another >&2; exit 3")
    before = tree(host)
    row = results(host, "install", "ada", code=3)["ada"]
    assert row["step"] == "greet"
    assert "I am another" in row["why"]["text"]
    assert tree(host) == before
    assert not host.agents()


def build(folder: Path, *, broken: bool = False) -> str:
    """A console of another build of the same version, as a PYTHONPATH."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    daemon = folder / "agents" / "daemon.py"
    daemon.write_text(
        daemon.read_text() + ('\nraise RuntimeError("broken build")\n' if broken else "\n# another build\n")
    )
    return str(folder)


def engine(host: BareHost, *more: str) -> int:
    """The pid of a simulated engine that ada's node serves."""
    words = ("--engine", "simulated", "--model", "tiny", "--option", "load_seconds=0.1", "--node", "ada", "--yes")
    done = host.console("run", "chat", *words, *more)
    assert done.returncode == 0, done.stderr
    return pid_of_engine(host)


def pid_of_engine(host: BareHost) -> int:
    (item,) = json.loads(host.console("instances", "--json").stdout)["items"]
    assert item["phase"] == "ready"
    pid: int = item["pid"]
    return pid


def test_an_upgrade_leaves_engines_alone_and_comes_back_from_a_broken_build(host: BareHost, tmp_path: Path) -> None:
    results(host, "install", "ada")
    pid = engine(host)
    current = host.home("ada") / ".local/share/gpuyard/current"
    first = current.readlink()
    refused = results(host, "install", "ada", code=1, PYTHONPATH=build(tmp_path / "next"))["ada"]
    assert "node upgrade" in refused["why"]["hint"]
    assert results(host, "upgrade", "ada", PYTHONPATH=str(tmp_path / "next"))["ada"]["outcome"] == "done"
    second = current.readlink()
    assert second != first
    assert pid_of_engine(host) == pid
    failed = results(host, "upgrade", "ada", code=1, PYTHONPATH=build(tmp_path / "broken", broken=True))["ada"]
    assert failed["step"] == "start"
    assert "the build before serves again" in failed["why"]["text"]
    assert current.readlink() == second
    assert {path.name for path in current.parent.iterdir()} == {"current", str(first), str(second)}
    assert pid_of_engine(host) == pid
    assert results(host, "upgrade", "ada", code=0, PYTHONPATH=str(tmp_path / "next"))["ada"]["outcome"] == "unchanged"


def test_a_host_with_engines_is_not_removed_unless_they_are_to_be_stopped(host: BareHost) -> None:
    results(host, "install", "ada")
    pid = engine(host)
    refused = results(host, "remove", "ada", "--yes", code=1)["ada"]
    assert "1 engine" in refused["why"]["text"]
    assert host.console("node", "remove", "ada").returncode == 1
    assert pid_of_engine(host) == pid
    done = host.console("node", "remove", "ada", "--stop-engines", "--yes")
    assert done.returncode == 0, done.stderr
    assert not psutil.pid_exists(pid)
    assert not any(host.home("ada").iterdir())


def test_nothing_is_there_to_upgrade(host: BareHost) -> None:
    row = results(host, "upgrade", "ada", code=1)["ada"]
    assert "node install" in row["why"]["hint"]
    assert results(host, "remove", "ada", "--yes")["ada"]["outcome"] == "unchanged"
    assert list(load(host.folder / "inventory.yaml").nodes) == ["root"]


CRONTAB = """table=$HOME/table
case $1 in
-l) cat "$table" 2>/dev/null || exit 1 ;;
-r) rm "$table" ;;
*) cat "$1" >"$table.new" && mv "$table.new" "$table" ;;
esac"""


def test_a_crontab_line_starts_it_after_a_boot_where_that_is_asked_for(host: BareHost) -> None:
    fake(host, "crontab", CRONTAB)
    table = host.home("ada") / "table"
    table.write_text("5 4 * * * own\n")
    offered = results(host, "install", "ada")["ada"]
    assert "--at-boot" in offered["notes"][0]
    assert table.read_text() == "5 4 * * * own\n"
    asked = results(host, "install", "ada", "--at-boot")["ada"]
    assert (asked["outcome"], asked["after_boot"], asked["notes"]) == ("done", "cron", [])
    assert table.read_text().splitlines()[1].startswith("@reboot /home/ada/.local/share/gpuyard/current/bin/")
    wait_until(lambda: (kept_of(host, "ada") or {}).get("after_boot") == "cron", 20, "the agent knows of it")
    assert results(host, "install", "ada", "--at-boot")["ada"]["outcome"] == "unchanged"
    results(host, "remove", "ada", "--yes")
    assert table.read_text() == "5 4 * * * own\n"


@pytest.mark.parametrize("before", ["5 4 * * * own\n", ""])
def test_a_crontab_is_what_it_was_where_the_agent_does_not_start(host: BareHost, before: str) -> None:
    fake(host, "crontab", CRONTAB)
    if before:
        (host.home("ada") / "table").write_text(before)
    (host.home("ada") / ".local/state/gpuyard").mkdir(parents=True)
    shutil.chown(
        host.home("ada") / ".local", host.home("ada").stat().st_uid
    )  # what is below is root's: the agent cannot write there
    assert results(host, "install", "ada", "--at-boot", code=1)["ada"]["step"] == "start"
    table = host.home("ada") / "table"
    assert (table.read_text() if table.exists() else "") == before


def kept_of(host: BareHost, node: str) -> dict[str, Any] | None:
    """What the agent of `node` says of its being kept."""
    done = host.console("nodes", "--json")
    kept: dict[str, Any] | None = next(one["kept"] for one in json.loads(done.stdout)["items"] if one["name"] == node)
    return kept


SYSTEMCTL = """echo "$*" >>/run/systemctl.calls
unit=/etc/systemd/system/gpuyard-agent.service
case "$1 $2" in
"is-active "*) exit 3 ;;
"restart "*) mkdir -p /var/lib/gpuyard; setsid $(sed -n 's/^ExecStart=//p' $unit) </dev/null >/dev/null 2>&1 & ;;
"disable "*) kill "$(cat /var/lib/gpuyard/agent.lock)" ;;
esac
exit 0"""


def test_systemd_is_called_exactly_like_this(host: BareHost) -> None:
    (host.files / "run/systemd/system").mkdir(parents=True)
    fake(host, "systemctl", SYSTEMCTL)
    row = results(host, "install", "root")["root"]
    assert (row["service"], row["after_boot"], row["notes"]) == ("system unit", "systemd", [])
    calls = host.files / "run/systemctl.calls"
    name = "gpuyard-agent.service"
    made = [line for line in calls.read_text().splitlines() if "show" not in line]
    assert made == ["daemon-reload", f"is-active -q {name}", f"enable -q {name}", f"restart {name}"]
    unit = (host.files / "etc/systemd/system" / name).read_text()
    assert "KillMode=process" in unit
    calls.unlink()
    results(host, "remove", "root", "--yes")
    made = [line for line in calls.read_text().splitlines() if "show" not in line]
    assert made == [f"disable -q --now {name}", "daemon-reload"]
    assert not (host.files / "etc/systemd/system" / name).exists()


OLD = """case "$*" in
*version_info*) echo "3.8.10 .cpython-38-x86_64-linux-gnu.so 1 1 /usr/bin/python3.8" ;;
*) echo "python3: too old for this" >&2; exit 1 ;;
esac"""


def with_an_old_python(stopped: BareHost) -> BareHost:
    """Every Python that a login finds there says that it is 3.8 and does nothing else."""
    old = stopped.folder / "old-python"
    old.write_text(f"#!/bin/sh\n{OLD}\n")
    old.chmod(0o755)
    stopped.overlay = {str(path): str(old) for path in Path("/usr/bin").glob("python3.[0-9]*") if "-" not in path.name}
    stopped.start()
    return stopped


def test_a_host_with_an_old_python_gets_a_bundle_and_serves(stopped: BareHost) -> None:
    host = with_an_old_python(stopped)
    before = tree(host)
    row = results(host, "install", "ada")["ada"]
    assert (row["outcome"], row["python"]) == ("done", "bundle")
    assert_knows_its_calls(host, "/home/ada/.local/share/gpuyard")
    assert results(host, "install", "ada")["ada"]["outcome"] == "unchanged"
    started = host.home("ada") / "environ"
    fake(host, "engine", 'env >"$HOME/environ"; exec "$HOME/.local/bin/gpuyard-agent" "$@"')
    engine(host, "--option", "program=/usr/local/bin/engine")
    assert "HOME=/home/ada" in started.read_text()
    assert "_PYI_" not in started.read_text()
    assert "LD_LIBRARY_PATH" not in started.read_text()
    done = host.console("node", "remove", "ada", "--stop-engines", "--yes")
    assert done.returncode == 0, done.stderr
    started.unlink()
    (host.files / "usr/local/bin/engine").unlink()
    assert tree(host) == before


def test_a_bundle_that_needs_a_newer_libc_is_not_sent(stopped: BareHost) -> None:
    fake(stopped, "getconf", "echo glibc 2.5")
    row = results(with_an_old_python(stopped), "install", "ada", code=1)["ada"]
    assert row["step"] == "gather"
    assert "the host has glibc 2.5" in row["why"]["text"]
