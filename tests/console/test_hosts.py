"""What is decided and gathered for a host, without one: tests/e2e/test_hosts.py has the rest."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.hosts import bundle, facts, ownwheel, scripts, unit, wheels
from console.hosts.choice import Choice, Target, choose
from console.hosts.errors import CannotGather
from console.hosts.facts import BadAnswer, Facts, Libc, Python
from console.hosts.payload import Part, Payload
from profiles.observed.status import Reason

ROOT = Path(__file__).parent.parent.parent
PYTHON = Python(path="/usr/bin/python3.11", version=(3, 11, 2), suffix=".cpython-311-x86_64-linux-gnu.so")
FACTS = Facts(
    uid=1000, user="ada", home="/home/ada", system="Linux", arch="x86_64", libc=Libc("glibc", (2, 36)),
    pythons=(PYTHON,), writable=True, free_mib=9000, state="/home/ada/.local/state/gpuyard",
)  # fmt: skip


def chosen(**changes: object) -> Choice:
    found = choose(replace(FACTS, **changes))
    assert isinstance(found, Choice)
    return found


def test_the_probe_tells_what_this_machine_is() -> None:
    done = subprocess.run(["sh", "-s"], input=scripts.script("probe"), capture_output=True, check=True, timeout=60)
    found = facts.read(scripts.answers(b"hello\nuid 77\n" + done.stdout))
    assert found.system == "Linux"
    assert found.uid != 77
    assert found.libc is not None
    assert any(python.version >= (3, 11) and python.abi.startswith("cp3") for python in found.pythons)
    assert not done.stderr


@pytest.mark.parametrize("output", [b"", b"gpuyard:uid 0\n", b"gpuyard:uid x\ngpuyard:end 1\n", b"gpuyard:end 1"])
def test_half_an_answer_is_none(output: bytes) -> None:
    with pytest.raises(BadAnswer):
        facts.read(scripts.answers(output))


def test_values_are_quoted_and_every_script_is_posix() -> None:
    text = scripts.script("remove", {"root": "/a b'; echo $(id)"}).decode()
    shown = subprocess.run(["sh", "-c", text.splitlines()[0] + '\nprintf %s "$root"'], capture_output=True, check=True)
    assert shown.stdout == b"/a b'; echo $(id)"
    for name in ("probe", "place", "back", "remove", "seal"):
        subprocess.run(["sh", "-n"], input=scripts.script(name), check=True, timeout=10)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"system": "FreeBSD"}, "wrong_system"),
        ({"arch": "riscv64"}, "wrong_arch"),
        ({"libc": None}, "no_libc"),
        ({"missing": ("tar",)}, "no_tools"),
        ({"writable": False}, "not_writable"),
        ({"free_mib": 3}, "disk_full"),
    ],
)
def test_a_host_that_cannot_be_served_is_told_why(changes: dict[str, object], code: str) -> None:
    refused = choose(replace(FACTS, **changes))
    assert isinstance(refused, Reason)
    assert refused.code == code
    assert refused.hint


def test_the_first_python_that_is_new_enough_is_taken_else_none() -> None:
    old = replace(PYTHON, path="/usr/bin/python3", version=(3, 8, 10), suffix=".cpython-38-x86_64-linux-gnu.so")
    other = replace(PYTHON, suffix=".pypy311-pp73-x86_64-linux-gnu.so")
    assert chosen(pythons=(old, other, PYTHON)).python == PYTHON
    assert chosen(pythons=(old, PYTHON)).target == Target("x86_64", Libc("glibc", (2, 36)), "cp311")
    assert chosen(pythons=(old, other)).python is None


def test_a_login_gets_a_unit_only_where_its_services_outlive_it() -> None:
    user = frozenset({"user", "system"})
    assert chosen(systemd=user).service == "detached"
    assert "--at-boot" in chosen(systemd=user).notes[0]
    assert chosen(systemd=user, lingers=True).service == "user unit"
    asked = choose(replace(FACTS, systemd=user), at_boot=True)
    assert isinstance(asked, Choice)
    assert (asked.service, asked.after_boot) == ("user unit", "linger")
    assert chosen(uid=0, systemd=user).service == "system unit"
    assert chosen(has_cron=True, at_boot=True).after_boot == "cron"


def test_roots_state_stays_where_it_was() -> None:
    assert chosen(uid=0, home="/root").state == "/var/lib/gpuyard"
    assert chosen(uid=0, home="/root", state="/root/s", state_exists=True).state == "/root/s"


def test_a_unit_never_ends_engines() -> None:
    text = unit.text(chosen(uid=0, systemd=frozenset({"system"})))
    assert "KillMode=process" in text
    assert "StateDirectory=gpuyard" in text
    elsewhere = chosen(uid=0, systemd=frozenset({"system"}), state="/root/s", state_exists=True)
    assert "StateDirectory" not in unit.text(elsewhere)
    assert unit.text(chosen()) == ""


def test_the_wheel_of_this_installation_is_always_the_same_and_whole() -> None:
    data = ownwheel.build()
    assert data == ownwheel.build()
    names = set(zipfile.ZipFile(io.BytesIO(data)).namelist())
    kept = {
        str(path.relative_to(ROOT))
        for package in ownwheel.PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert kept == {name for name in names if ".dist-info/" not in name}


def test_the_wheel_runs_by_itself(tmp_path: Path) -> None:
    wheel = tmp_path / ownwheel.name()
    wheel.write_bytes(ownwheel.build())
    argv = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(wheel)!r})\n"
            "from importlib.metadata import version; import agents.attach; print(version('gpuyard'))"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == ownwheel.name().split("-")[1]


def test_the_pins_are_those_of_a_node() -> None:
    assert (ROOT / "console/hosts/agent.txt").read_text() == (ROOT / "requirements/agent.txt").read_text()
    assert set(wheels.pins()) == {"h11", "msgspec", "nvidia-ml-py"}
    assert all(hashes for hashes in wheels.pins().values())


def test_a_wheel_with_another_hash_is_not_kept(tmp_path: Path) -> None:
    forged = tmp_path / "h11-0.16.0-py3-none-any.whl"
    forged.write_bytes(b"not h11")
    assert wheels.verified(tmp_path) == {}
    assert not forged.exists()


def test_tags_are_those_that_the_libc_can_load() -> None:
    old = wheels.platforms(Target("x86_64", Libc("glibc", (2, 18)), "cp311"))
    assert old == ["manylinux_2_18_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    musl = wheels.platforms(Target("aarch64", Libc("musl", (1, 2)), "cp312"))
    assert musl == ["musllinux_1_2_aarch64", "musllinux_1_1_aarch64"]
    assert Target("x86_64", Libc("glibc", (2, 36)), "cp313t").python == "3.13"


def test_the_newest_libc_that_files_ask_for_is_found() -> None:
    assert bundle.asked_glibc([b"x\0GLIBC_2.17\0GLIBC_2.4\0", b"GLIBC_2.34\0", b"GLIBC_2.99 in a text"]) == 34
    assert bundle.asked_glibc([b"nothing"]) == 0


@pytest.mark.parametrize(
    "target", [Target("x86_64", Libc("musl", (1, 2)), ""), Target("s390x", Libc("glibc", (2, 36)), "")]
)
async def test_a_bundle_of_another_kind_of_machine_is_refused(target: Target) -> None:
    with pytest.raises(CannotGather, match="can be made here") as refused:
        await bundle.build(target)
    assert "3.11" in refused.value.reason.hint


def test_a_build_is_named_by_what_is_in_it() -> None:
    one = Payload("environment", "1.0", [Part("a", b"1"), Part("b", b"2")])
    assert one.build == Payload("environment", "1.0", [Part("b", b"2"), Part("a", b"1")]).build
    assert one.build != Payload("environment", "1.0", [Part("a", b"1"), Part("b", b"3")]).build
