"""Two agents of two real users on one machine: one GPU is given away once."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from agents.instances.admission import Admission
from agents.instances.claims import PREFIX, Claims
from agents.processes import tree
from engines.devices import MigSlot, Slice
from profiles.gpu.ledger import Refusal
from profiles.observed.status import GpuClaim, Phase
from tests.agents.claimant import refused
from tests.fakes.supervised import Agent, spec

OTHERS = (65534, 54321)
GPU = Slice(gpu_uuid="GPU-1", gpu_index=0)
WHO = Path(__file__).with_name("claimant.py")

two_users = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")


@pytest.fixture
def place() -> Iterator[Path]:
    """As /dev/shm is: root's, sticky, everybody's to write to."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


Claim = Callable[[int, str], "subprocess.Popen[str]"]


@pytest.fixture
def claim(place: Path) -> Iterator[Claim]:
    started: list[subprocess.Popen[str]] = []

    def begin(uid: int, gpu: str = "GPU-1") -> "subprocess.Popen[str]":
        argv = [sys.executable, "-P", str(WHO), str(uid), str(place), gpu]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(WHO.parents[2])}
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env))
        return started[-1]

    yield begin
    for one in started:
        one.kill()
        one.communicate()


def take(claims: Claims, instance: str, wanted: Slice = GPU) -> Refusal | None:
    return claims.take(instance, [wanted], lambda claimed: refused(wanted, claimed))


def claiming(agent: Agent, claims: Claims) -> None:
    admission = Admission(agent.board, claims)
    agent.supervisor._context = msgspec.structs.replace(agent.supervisor._context, admission=admission)


def said(one: "subprocess.Popen[str]") -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()


@two_users
def test_the_second_user_is_told_of_the_first_until_that_one_is_gone(place: Path, claim: Claim, tmp_path: Path) -> None:
    first = claim(OTHERS[0], "GPU-1")
    assert said(first) == "held"
    assert said(claim(OTHERS[1], "GPU-1")) == "GPU 0 is claimed by the agent of nobody for chat/0"
    assert said(claim(OTHERS[1], "GPU-2")) == "held"
    ours = Claims(tmp_path, place=place)
    taken = take(ours, "embed/0")
    assert taken is not None
    assert taken.text == "GPU 0 is claimed by the agent of nobody for chat/0"
    assert ours.others()["GPU-1"] == [GpuClaim(user="nobody", instance="chat/0")]
    assert not list(place.glob(f"{PREFIX}0.*")), "what was not given is not claimed"
    first.kill()
    first.communicate()
    assert list(place.glob(f"{PREFIX}{OTHERS[0]}.*")), "its file is still there"
    assert take(ours, "embed/0") is None
    assert said(claim(OTHERS[0], "GPU-1")) == "GPU 0 is claimed by the agent of root for embed/0"
    ours.release("embed/0")
    assert not list(place.glob(f"{PREFIX}0.*"))


@two_users
async def test_an_instance_waits_for_the_other_s_and_starts_once_it_is_gone(
    agent: Agent, place: Path, claim: Claim
) -> None:
    other = claim(OTHERS[0], "GPU-1")
    assert said(other) == "held"
    ours = Claims(agent.layout.state, place=place)
    claiming(agent, ours)
    agent.set(spec("chat/0", slices=(GPU,)))
    waits = await agent.until(lambda one: one.reason is not None and one.reason.code == "gpu_claimed")
    assert waits.phase is Phase.PENDING
    assert waits.reason is not None
    assert "nobody" in waits.reason.text
    other.kill()
    other.communicate()
    await agent.until_phase(Phase.READY)
    assert said(claim(OTHERS[1], "GPU-1")) == "GPU 0 is claimed by the agent of root for chat/0"
    await agent.kill()  # the engine lives on, and so does the claim of it
    assert said(claim(OTHERS[1], "GPU-1")) == "GPU 0 is claimed by the agent of root for chat/0"
    agent.start()
    ours = Claims(agent.layout.state, place=place)
    claiming(agent, ours)
    await agent.until_phase(Phase.READY)
    agent.set()
    async with asyncio.timeout(20):
        while agent.status() is not None:
            await asyncio.sleep(0.02)
    assert said(claim(OTHERS[1], "GPU-1")) == "held"


def other_file(place: Path, **more: object) -> Path:
    """A claim of an agent of ours on another state directory, which lives as long as this test."""
    me = tree.stat(os.getpid())
    assert me is not None
    content: dict[str, object] = {
        "version": 1, "boot_id": tree.boot_id(), "agent": {"pid": me.pid, "start_ticks": me.start_ticks},
        "held": {"x/0": {"gpus": {"GPU-1": None}}},
    } | more  # fmt: skip
    path = place / f"{PREFIX}0.0000"
    path.write_bytes(msgspec.json.encode(content))
    path.chmod(0o644)
    return path


def seen(place: Path, tmp_path: Path) -> list[str]:
    return [claim.instance for claim in Claims(tmp_path, place=place).others().get("GPU-1", ())]


def test_what_cannot_be_trusted_or_is_of_the_dead_does_not_count(place: Path, tmp_path: Path) -> None:
    path = other_file(place)
    assert seen(place, tmp_path) == ["x/0"]
    path.chmod(0o666)
    assert seen(place, tmp_path) == [], "anybody could have written it"
    path.unlink()
    real = tmp_path / "real"
    real.write_bytes(b"{}")
    path.symlink_to(real)
    assert seen(place, tmp_path) == []
    path.unlink()
    os.mkfifo(path)
    assert seen(place, tmp_path) == []
    path.unlink()
    for more in ({"boot_id": "another"}, {"agent": {"pid": os.getpid(), "start_ticks": 1}}, {"held": 3}):
        other_file(place, **more)
        assert seen(place, tmp_path) == [], more
        path.unlink(missing_ok=True)
    other_file(place, held={"\x1b[2J": {"gpus": {"GPU-1": None}}})
    assert seen(place, tmp_path) == ["?[2J"]


@two_users
def test_a_process_of_somebody_else_keeps_no_claim_alive(place: Path, tmp_path: Path) -> None:
    path = other_file(place)
    os.chown(path, OTHERS[0], OTHERS[0])
    assert seen(place, tmp_path) == [], "the file says it is of a process that is root's"


def test_a_place_that_is_not_safe_is_told(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    ours = Claims(tmp_path, place=place)
    assert take(ours, "a/0") is None
    assert ours.problem is not None
    assert "sticky" in ours.problem.text
    place.chmod(0o1777)
    ours.look()
    assert ours.problem is None


def test_what_was_cleared_away_is_put_back_and_scopes_are_apart(place: Path, tmp_path: Path) -> None:
    ours, other = Claims(tmp_path / "a", place=place), Claims(tmp_path / "b", place=place)
    assert take(ours, "a/0") is None
    (file,) = place.iterdir()
    file.unlink()
    assert not other.look()
    ours.look()
    assert "GPU-1" in other.look()
    assert take(Claims(tmp_path / "c", "simulated", place), "c/0") is None


def test_parts_beside_parts_of_others(place: Path, tmp_path: Path) -> None:
    one, other = Claims(tmp_path / "a", place=place), Claims(tmp_path / "b", place=place)
    part = Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=40_000)
    assert take(one, "a/0", part) is None
    assert other.others()["GPU-1"] == [GpuClaim(user="root", instance="a/0", memory_mib=40_000)]
    beside = take(other, "b/0", part)
    assert beside is not None
    assert "needs 40,000 MiB of GPU 0, which has 39,200 to give" in beside.text
    assert take(other, "b/0", msgspec.structs.replace(part, memory_mib=39_000)) is None
    assert take(Claims(tmp_path / "c", place=place), "c/0") is not None, "not all of it is left"


def test_mig_devices_are_claimed_one_by_one(place: Path, tmp_path: Path) -> None:
    slot = MigSlot(profile="1g.10gb", start=0, size=1)
    part = Slice(gpu_uuid="GPU-1", gpu_index=0, memory_mib=9_728, mig=slot)
    one, other = Claims(tmp_path / "a", place=place), Claims(tmp_path / "b", place=place)
    one.hold("a/0", [part], os.getpid(), 1)
    assert other.others()["GPU-1"] == [GpuClaim(user="root", instance="a/0", memory_mib=0, mig=slot)]
