"""What this side of a link shows: lines of the ssh config, certificates, and the view of a node."""

import subprocess
from pathlib import Path

import pytest

from console.cli.doctor import Examined, print_examined
from console.cli.output import Format
from console.hosts import linkfindings
from console.hosts.sshconfig import lines_for, values
from console.hosts.sshfindings import judge_certificate
from console.remote import certificate
from console.views import NodeState, NodeView
from profiles.observed.finding import Severity, ok, warning
from profiles.observed.status import GpuSource, GpuSourceKind, HostReading, NodeStatus, Reason

NO_ANSWER = Reason("timeout", "no answer", "look")


def test_the_lines_that_decide_and_where_they_stand(tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.write_text("User ann\nIdentityFile ~/.ssh/two\n")
    config = tmp_path / "config"
    config.write_text(
        f"Host fra-* !fra-9\n  Include {more}\n  Port = 2222\n  IdentityFile '~/.ssh/one'\n"
        "Host fra-1\n  User bob\nMatch exec true\n  ProxyJump door\nMatch all\n  ProxyJump gate\n"
    )
    lines = lines_for("fra-1", [config, tmp_path / "missing"])
    assert [line.place for line in lines] == [
        f"{more}:1", f"{more}:2", f"{config}:3", f"{config}:4", f"{config}:8", f"{config}:10",
    ]  # fmt: skip
    assert values(lines, "user") == ["ann"]
    assert values(lines, "identityfile") == ["~/.ssh/two", "~/.ssh/one"]
    assert values(lines, "proxyjump") == ["gate"]
    assert [line.judged for line in lines].count(False) == 1
    assert values(lines_for("fra-9", [config]), "port") == []


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_says_how_long_it_is_valid(tmp_path: Path, kind: str) -> None:
    for name, words in (("ca", ["ed25519"]), ("key", [kind])):
        subprocess.run(["ssh-keygen", "-q", "-t", *words, "-N", "", "-f", str(tmp_path / name)], check=True)
    sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "ann@yard", "-n", "ann,ops"]
    subprocess.run([*sign, "-V", "20300101000000Z:20300103000000Z", str(tmp_path / "key.pub")], check=True)
    path = tmp_path / "key-cert.pub"
    found = certificate.read(path.read_text())
    assert (found.key_id, found.principals) == ("ann@yard", ("ann", "ops"))
    begins, ends = found.from_unix_s, found.until_unix_s
    assert ends is not None
    assert ends - begins == 2 * 86400
    severities = [judge_certificate(path, found, at).severity for at in (begins - 1, begins, ends - 60, ends)]
    assert severities == [Severity.PROBLEM, Severity.OK, Severity.WARNING, Severity.PROBLEM]
    forever = judge_certificate(path, found._replace(until_unix_s=None), ends)
    assert forever.severity is Severity.OK


@pytest.mark.parametrize("line", ["", "ssh-ed25519-cert-v01@openssh.com", "x AAAA", "x !!", "x AAAAB3NzaC1yc2E="])
def test_what_is_no_certificate_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        certificate.read(line)


def view(**more: object) -> NodeView:
    status = NodeStatus(
        hostname="a", agent_version="0.1.0", boot_id="b", at_unix_s=0.0, host=HostReading(cores=1, memory_total_mib=1),
        gpu_source=GpuSource(GpuSourceKind.NONE),
    )  # fmt: skip
    fields: dict[str, object] = {"name": "a", "state": NodeState.UP, "way": "socket", "status": status}
    return NodeView(**(fields | more))  # type: ignore[arg-type]


def test_of_several_nodes_what_is_well_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [
        Examined(name, [ok("driver", "well"), warning("time_sync", "no", "run it")], {}) for name in ("", "a", "b")
    ]
    print_examined(nodes, Format.TABLE)
    said = capsys.readouterr()
    assert "a: 1 warning" in said.out
    assert "run it" in said.out
    assert "driver" not in said.out
    assert "-o wide" in said.err
    for output, examined in ((Format.WIDE, nodes), (Format.TABLE, nodes[:2])):
        print_examined(examined, output)
        assert "driver" in capsys.readouterr().out


def severity(one: NodeView, code: str, own: str = "0.1.0") -> Severity:
    (found,) = [found for found in linkfindings.judge(one, "", own, NO_ANSWER) if found.code == code]
    return found.severity


def test_a_link_is_judged_by_what_it_shows() -> None:
    assert severity(view(), "clock_skew") is Severity.OK
    assert severity(view(clock_skew_s=-90.0), "clock_skew") is Severity.WARNING
    assert severity(view(round_trip_s=0.9), "round_trip") is Severity.WARNING
    assert severity(view(), "versions") is Severity.OK
    assert severity(view(), "versions", own="0.2.0") is Severity.INFO
    lost = view(state=NodeState.UNREACHABLE, why=Reason("refused", "nothing listens", ""))
    (found,) = linkfindings.judge(lost, "", "0.1.0", NO_ANSWER)
    assert (found.code, found.severity, found.seen) == ("login", Severity.PROBLEM, "nothing listens")
    assert found.fix
