"""Runtimes as files and people name them."""

import pytest

from engines.versions import at_least, numbers, remark
from profiles.observed.runtime import Runtime, requirement
from profiles.text.document import FileError
from profiles.text.tomltext import parse

TEXT = """gpuyard = 1

[runtimes.a]
engine = "vllm"
[runtimes."vllm-0.32"]
  venv = "/opt/vllm"
"""


def test_each_key_knows_where_it_stands() -> None:
    document = parse(TEXT, "agent.toml")
    assert str(document.error(("runtimes", "a", "engine"), "no")) == "agent.toml:4:1: no"
    assert str(document.error(("runtimes", "vllm-0.32", "venv"), "no")) == "agent.toml:6:3: no"
    assert str(document.error(("runtimes", "a", "unknown"), "no")) == "agent.toml:3:2: no"


@pytest.mark.parametrize(("text", "place"), [("a = ", "x:1:5"), ("a = 1\n[b", "x:2:"), ("a = 1\na = 2\n", "x:")])
def test_what_is_no_toml_says_where(text: str, place: str) -> None:
    with pytest.raises(FileError) as caught:
        parse(text, "x")
    assert str(caught.value).startswith(place)
    assert "at line" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["vllm", "vllm>=1", "vllm==", "--index-url==1", "vllm==1 --pre", "git+https://x==1", "vllm==1;x", "../v==1"]
)
def test_only_a_name_and_a_version_are_installed(text: str) -> None:
    assert requirement(text) is None


def test_a_requirement_names_its_runtime() -> None:
    found = requirement("TensorRT_LLM==1.2.0rc3+cu13")
    assert found
    assert (found.name, str(found)) == ("tensorrt-llm-1.2.0rc3+cu13", "tensorrt-llm==1.2.0rc3+cu13")


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (Runtime("vllm"), "is one of"),
        (Runtime("vllm", venv="/a", binary="/b"), "is one of"),
        (Runtime("vllm", venv="opt/vllm"), "no absolute path"),
        (Runtime("vllm", prefix=("/usr/bin/docker", "run", "vllm")), "containers are not supported"),
        (Runtime("vllm", binary="/usr/bin/podman"), "containers are not supported"),
        (Runtime("vllm", prefix=("/opt/run", "-x")), ""),
    ],
)
def test_a_runtime_is_in_one_place(runtime: Runtime, said: str) -> None:
    text, hint = runtime.problem()
    assert (said in text, bool(text), bool(hint)) == (True, bool(said), bool(said))


def test_versions_are_compared_by_their_numbers() -> None:
    assert numbers("b11434") == (11434,)
    assert numbers("0.32.0+cpu") == (0, 32, 0)
    assert [at_least(one, 0, 18) for one in ("0.9.2", "0.18", "0.18.1", "1", "", "main")] == [False, *[True] * 5]


@pytest.mark.parametrize(
    ("version", "said"),
    [("0.31.2", "older than 0.32"), ("0.32.1", ""), ("0.33.0", "newer than 0.32"), ("1", "newer"), ("main", "")],
)
def test_a_version_that_was_not_checked_is_remarked_on(version: str, said: str) -> None:
    found = remark(version, ("0.32", "0.32"))
    assert found.startswith(said)
    assert bool(found) == bool(said)
