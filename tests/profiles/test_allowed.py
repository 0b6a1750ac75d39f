"""The rules that a file and a node share."""

import pytest

from profiles.text.allowed import NotAllowed, check_port, check_value, check_variable, served_name


@pytest.mark.parametrize("port", [1024, 65535])
def test_a_port_that_needs_no_rights(port: int) -> None:
    check_port(port)


@pytest.mark.parametrize("port", [-1, 0, 80, 1023, 65536])
def test_a_port_that_may_not_be(port: int) -> None:
    with pytest.raises(NotAllowed):
        check_port(port)


@pytest.mark.parametrize("name", ["A", "_x1", "LD_LIBRARY_PATH", "HF_HOME", "PATHS"])
def test_a_variable_that_changes_no_program(name: str) -> None:
    check_variable(name)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "É", "PATH", "LD_PRELOAD", "PYTHONPATH", "GPUYARD_X", "ENV"])
def test_a_variable_that_may_not_be(name: str) -> None:
    with pytest.raises(NotAllowed):
        check_variable(name)


@pytest.mark.parametrize(
    ("model", "served"), [("meta/llama", "meta/llama"), ("/models/q.gguf", "q"), ("/models/dir", "dir")]
)
def test_what_a_model_is_called(model: str, served: str) -> None:
    assert served_name(model) == served


@pytest.mark.parametrize("model", ["", " ", "-m", "--help", "a\0b", "/", "/models/.gguf", "/models/-x.gguf"])
def test_a_model_that_may_not_be(model: str) -> None:
    with pytest.raises(NotAllowed):
        served_name(model)


def test_a_value_that_no_environment_can_hold() -> None:
    check_value("A", "")
    with pytest.raises(NotAllowed):
        check_value("A", "x\0")
