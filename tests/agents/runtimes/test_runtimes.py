"""What real environments and programs say of themselves, and what an instance is started from."""

import asyncio
import os
import shutil
import time
import venv
from pathlib import Path

import pytest

from agents.processes import tree
from agents.runtimes.asking import Asker, CannotTell
from agents.runtimes.runtimes import CannotUse, Runtimes
from agents.runtimes.settings import package_of
from profiles.desired.model import InstanceSpec
from profiles.observed.runtime import Runtime, RuntimeReading
from profiles.observed.status import Reason
from tests.fakes.wheels import installed


def spec(engine: str = "vllm", runtime: str = "", **options: object) -> InstanceSpec:
    return InstanceSpec(
        name="chat/0", service="chat", engine=engine, model="m", runtime=runtime, options=dict(options)
    )  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    venv.create(folder, symlinks=True)
    installed(folder, "vllm", "0.32.0")
    return folder


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def runtimes(tmp_path: Path, text: str, **asking: float) -> Runtimes:
    (tmp_path / "agent.toml").write_text(text)
    return Runtimes(tmp_path / "agent.toml", tmp_path / "runtimes", asker=Asker(**asking))


def one(name: str, engine: str, **where: object) -> str:
    return f'[runtimes.{name}]\nengine = "{engine}"\n' + "".join(f'{key} = "{value}"\n' for key, value in where.items())


async def only(found: Runtimes, *, thorough: bool = False) -> RuntimeReading:
    (reading,) = await found.look(thorough=thorough)
    return reading


async def test_an_environment_tells_its_version_and_is_asked_again_when_it_changes(
    tmp_path: Path, environment: Path
) -> None:
    found = runtimes(tmp_path, one("a", "vllm", venv=environment))
    reading = await only(found)
    assert (reading.version, reading.remark, reading.problem, reading.kind) == ("0.32.0", "", None, "venv")
    python = environment / "bin" / "python"
    python.rename(python.with_name("away"))  # nothing needs to be asked again
    assert (await only(found)).version == "0.32.0"
    python.with_name("away").rename(python)
    (packages,) = environment.glob("lib/python*/site-packages")
    shutil.rmtree(packages / "vllm-0.32.0.dist-info")
    installed(environment, "vllm", "0.17.0")
    os.utime(packages, ns=(1, 1))
    reading = await only(found)
    assert (reading.version, reading.remark[:10]) == ("0.17.0", "older than")


async def test_a_broken_environment_says_what_is_wrong(tmp_path: Path, environment: Path) -> None:
    installed(environment, "vllm", "0.32.0", module="import torch_of_another_cuda")
    found = runtimes(tmp_path, one("a", "vllm", venv=environment))
    assert (await only(found)).problem is None  # which only an import shows
    problem = (await only(found, thorough=True)).problem
    assert problem
    assert "No module named 'torch_of_another_cuda'" in problem.text
    (environment / "bin" / "vllm").unlink()
    problem = (await only(found)).problem
    assert problem
    assert (problem.code, "bin/vllm is not there" in problem.text) == ("missing", True)


async def test_programs_are_asked_in_their_own_words(tmp_path: Path) -> None:
    build = program(tmp_path / "llama-server", 'echo "version: 11500 (abc)" >&2; echo "built with cc 12.2.0 for x" >&2')
    wrap = program(tmp_path / "wrap", '[ "$1" = vllm ] && echo "INFO 11-24 10:00 starting" && echo 0.31.0')
    found = runtimes(
        tmp_path, one("a", "llama_cpp", binary=build) + f'[runtimes.b]\nengine = "vllm"\nprefix = ["{wrap}"]'
    )
    llama, wrapped = await found.look()
    assert (llama.version, llama.remark[:10]) == ("11500", "newer than")
    assert (wrapped.version, wrapped.kind, wrapped.where) == ("0.31.0", "prefix", str(wrap))


async def test_a_program_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    slow = program(tmp_path / "llama-server", "sleep 611 & exec sleep 612")
    found = runtimes(tmp_path, one("a", "llama_cpp", binary=slow), version_limit_s=0.3)
    problem = (await only(found)).problem
    assert problem
    assert "gave no version within 0.3 s" in problem.text
    assert [pid for pid in tree.everyone() if b"sleep\x0061" in _command(pid)] == []
    began_s = time.monotonic()
    assert (await only(found)).problem == problem
    assert time.monotonic() - began_s < 0.3  # it is not tried again at once
    used = await found.use(spec("llama_cpp"))
    assert used
    assert used.version == ""  # its start will tell


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_what_prints_without_end_is_no_version(tmp_path: Path) -> None:
    endless = Runtime("llama_cpp", binary=str(program(tmp_path / "llama-server", "exec yes")))
    package = package_of("llama_cpp")
    assert package
    with pytest.raises(CannotTell):
        await Asker(version_limit_s=0.3).version(endless, package)


async def test_the_only_runtime_of_the_engine_is_used_and_of_several_the_one_named(
    tmp_path: Path, environment: Path
) -> None:
    found = runtimes(tmp_path, one("a", "vllm", venv=environment))
    used = await found.use(spec())
    assert used
    assert (used.name, used.program, used.version) == ("a", str(environment / "bin" / "vllm"), "0.32.0")
    assert await found.use(spec("sglang")) is None
    assert await found.use(spec(program="/x")) is None
    found = runtimes(tmp_path, one("a", "vllm", venv=environment) + one("b", "vllm", venv=environment))
    assert await found.use(spec()) is None
    used = await found.use(spec(runtime="b"))
    assert used
    assert used.name == "b"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (spec(runtime="b"), "runtime_missing"),
        (spec("sglang", runtime="a"), "runtime_missing"),
        (spec(runtime="a"), "runtime_broken"),
        (spec(runtime="a", program="/x"), "bad_options"),
    ],
)
async def test_an_instance_that_cannot_be_started_from_it_says_why(
    tmp_path: Path, asked: InstanceSpec, code: str
) -> None:
    found = runtimes(tmp_path, one("a", "vllm", venv=tmp_path / "nothing"))
    with pytest.raises(CannotUse) as caught:
        await found.use(asked)
    assert caught.value.code == code
    assert caught.value.hint


async def test_a_file_that_is_wrong_starts_nothing_until_it_is_right(tmp_path: Path, environment: Path) -> None:
    troubles: list[Reason | None] = []
    path = tmp_path / "agent.toml"
    path.write_text("[runtimes")
    found = Runtimes(path, tmp_path / "runtimes", troubles.append)
    with pytest.raises(CannotUse, match=r"agent\.toml:1"):
        await found.use(spec())
    path.write_text(one("a", "vllm", venv=environment))
    assert (await found.use(spec())) is not None
    assert [trouble and trouble.code for trouble in troubles] == ["settings", None]


async def test_a_question_at_a_time(tmp_path: Path) -> None:
    counted = program(tmp_path / "llama-server", f"echo asked >> {tmp_path}/asked; sleep 0.1; echo version: 11434")
    found = runtimes(tmp_path, one("a", "llama_cpp", binary=counted))
    await asyncio.gather(*(found.look() for _ in range(5)))
    assert (tmp_path / "asked").read_text().count("asked") == 1
