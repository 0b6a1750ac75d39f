"""The host, its files, ports, fabric and models, as the doctor sees them."""

import os
import resource
from pathlib import Path

import pytest

from agents import state
from agents.access.audit.log import AuditLog
from agents.doctor import audit, fabric, files, host, models, ports
from agents.doctor.speed import Speed, measure
from agents.doctor.subject import Subject
from agents.processes.process import Handle
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec
from profiles.observed.finding import Finding, Severity
from tests.agents.doctor.conftest import Write

MIB = 1024 * 1024


def one(findings: object, code: str) -> Finding:
    (found,) = [one for one in findings if one.code == code]  # type: ignore[attr-defined]
    assert isinstance(found, Finding)
    return found


def want(subject: Subject, **more: object) -> None:
    fields: dict[str, object] = {"name": "a/0", "service": "a", "engine": "simulated", "model": "m"}
    spec = InstanceSpec(**(fields | more))  # type: ignore[arg-type]
    desired = Desired(generation=1, instances={"a/0": DesiredInstance(profile="p", revision=1, spec=spec)})
    state.save(subject.layout.desired, desired)


def test_files_that_are_well(subject: Subject) -> None:
    findings = list(files.look(subject))
    assert {found.severity for found in findings} <= {Severity.OK, Severity.INFO}
    assert {"state_directory", "disk_space", "secret_modes", "roles_file"} == {found.code for found in findings}


def test_files_that_others_reach(subject: Subject, tmp_path: Path) -> None:
    subject.layout.state.chmod(0o777)
    (subject.layout.secrets / "hf").write_text("x")
    (subject.layout.secrets / "hf").chmod(0o644)
    subject.layout.socket.write_text("no socket")
    roles = tmp_path / "roles.toml"
    roles.write_text("gpuyard = 2\nroles = 5\n")
    findings = list(files.look(Subject(subject.layout, roles, subject.root)))
    for code in ("state_directory", "secret_modes", "socket_mode", "roles_file"):
        assert one(findings, code).severity is Severity.PROBLEM
        assert one(findings, code).fix


def test_a_state_directory_on_a_network_filesystem(subject: Subject) -> None:
    device = subject.layout.state.stat().st_dev
    line = f"1 0 {os.major(device)}:{os.minor(device)} / /x rw - nfs4 server:/x rw\n"
    (subject.root / "proc/self/mountinfo").write_text(line)
    assert "nfs4" in one(files.look(subject), "state_directory").seen
    assert one(files.look(subject), "state_directory").severity is Severity.PROBLEM


def test_an_audit_that_was_changed(subject: Subject) -> None:
    log = AuditLog(subject.layout.audit, agent_version="1")
    log.note("first")
    log.note("second")
    assert one(audit.look(subject), "audit_chain").severity is Severity.OK
    (file,) = subject.layout.audit.glob("*.jsonl")
    file.write_text(file.read_text().replace("first", "other"))
    assert one(audit.look(subject), "audit_chain").severity is Severity.PROBLEM


def test_the_host(subject: Subject, write: Write) -> None:
    assert one(host.look(subject), "agent_running").severity is Severity.WARNING
    write("proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    assert one(host.look(subject), "cgroup").severity is Severity.OK
    write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n")
    assert "memory" in one(host.look(subject), "cgroup").seen
    write("proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw\n")
    assert one(host.look(subject), "cgroup").severity is Severity.WARNING


def test_limits_and_clock() -> None:
    assert host.open_files(1024).severity is Severity.WARNING
    assert host.open_files(resource.RLIM_INFINITY).severity is Severity.OK
    assert [host.time_sync(state).severity for state in (0, 5, -1)] == [Severity.OK, Severity.WARNING, Severity.INFO]
    assert fabric.locked_memory(64 * 1024).severity is Severity.WARNING


def test_ports_of_infiniband_and_roce(subject: Subject, write: Write) -> None:
    assert one(fabric.look(subject), "fabric").seen == "no InfiniBand or RoCE device"
    ports_there = {
        "mlx5_0/ports/1": ("4: ACTIVE", "InfiniBand", "400 Gb/sec (4X NDR)"),
        "mlx5_1/ports/1": ("2: INIT", "InfiniBand", "400 Gb/sec (4X NDR)"),
        "mlx5_2/ports/1": ("1: DOWN", "Ethernet", "100 Gb/sec (4X EDR)"),
    }
    for port, said in ports_there.items():
        for name, text in zip(("state", "link_layer", "rate"), said, strict=True):
            write(f"sys/class/infiniband/{port}/{name}", f"{text}\n")
    found = [one for one in fabric.look(subject) if one.code == "fabric_port"]
    assert [one.severity for one in found] == [Severity.OK, Severity.WARNING, Severity.INFO]
    assert found[0].seen == "mlx5_0 port 1: ACTIVE, InfiniBand, 400 Gb/sec (4X NDR)"
    assert "subnet manager" in found[1].fix
    assert "RoCE" in found[2].seen


@pytest.mark.parametrize(
    ("address", "lives", "severity"),
    [("0100007F", True, Severity.OK), ("00000000", True, Severity.INFO), ("0100007F", False, Severity.PROBLEM)],
)
def test_ports_of_instances(subject: Subject, write: Write, address: str, lives: bool, severity: Severity) -> None:
    want(subject, port=8000)
    write("proc/net/tcp", f"  sl  local_address\n   0: {address}:1F40 00000000:0000 0A 0 0 0\n")
    if lives:
        handle = Handle(pid=77, start_ticks=1, boot_id="b", shim_pid=76, shim_start_ticks=1, incarnation=1, port=8000)
        subject.layout.instance("a/0").directory.mkdir()
        state.save(subject.layout.instance("a/0").handle, handle)
        write("proc/77/stat", "")
    assert one(ports.look(subject), "instance_port").severity is severity


def test_where_models_lie_and_how_fast_they_are_read(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert one(models.look(subject), "model_directories").severity is Severity.INFO
    model = tmp_path / "models" / "m.gguf"
    model.parent.mkdir()
    model.write_bytes(b"m" * (9 * MIB))
    want(subject, model=str(model))
    found = one(models.look(subject), "model_read")
    assert "MB/s over 9 MB" in found.seen
    assert str(model.parent) in one(models.look(subject), "model_disk").seen
    want(subject, model="/nowhere/at/all.gguf")
    assert one(models.look(subject), "model_disk").severity is Severity.PROBLEM


def test_a_read_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(b"m" * (20 * MIB))
    assert measure(file, read_bytes=8 * MIB).read_bytes == 8 * MIB
    assert measure(file, limit_s=0.0).read_bytes == 0
    assert measure(file).read_bytes == 20 * MIB


def test_a_slow_disk_and_a_cache_that_was_not_passed() -> None:
    assert models.judge(Path("/m"), Speed(100_000_000, 1.0, True)).severity is Severity.WARNING
    cached = models.judge(Path("/m"), Speed(1_000_000_000, 1.0, False))
    assert "page cache" in cached.seen
