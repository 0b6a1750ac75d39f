"""Names and values of an edit that could leave their place: refused before anything is written."""

import pytest

from agents.errors import Refused
from agents.instances.edits import check
from agents.wire import SetDesired
from engines.devices import Slice
from profiles.model import Desired, DesiredInstance, InstanceSpec, SecretRef


def edit(name: str = "a/0", profile: str = "p", **more: object) -> SetDesired:
    base: dict[str, object] = {"name": name, "service": "a", "engine": "llama_cpp", "model": "m"}
    spec = InstanceSpec(**(base | more))  # type: ignore[arg-type]
    owned = DesiredInstance(profile=profile, revision=1, spec=spec)
    return SetDesired(expected_generation=0, instances={name: owned}, author="", reason="")


def test_an_ordinary_edit_passes() -> None:
    gpu = (Slice(gpu_uuid="GPU-8f0a-1", gpu_index=0),)
    check(edit(slices=gpu, env={"HF_TOKEN": SecretRef("hf-token"), "A": "b\nc"}, model="/models/m.gguf"), Desired())


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "/etc", "a b", "A", "", "a\n", "a/0\n", "-a", ".a", "a/x", "a\0", "x" * 80]
)
def test_names_cannot_leave_their_directory(name: str) -> None:
    with pytest.raises(Refused, match="name"):
        check(edit(name), Desired())


@pytest.mark.parametrize("value", ["../x", "a/b", "", "-x", "a\n", "A"])
@pytest.mark.parametrize("what", ["profile", "service", "secret"])
def test_other_names_neither(what: str, value: str) -> None:
    more: dict[str, object] = {"env": {"T": SecretRef(value)}} if what == "secret" else {what: value}
    with pytest.raises(Refused, match="cannot name"):
        check(edit(**more), Desired())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model", ["", "-m", "--port", "a\nb", "a\0", "/models/-x.gguf", "/models/.gguf", "/", "\x1b[2J"]
)
def test_models_that_are_no_word_are_refused(model: str) -> None:
    with pytest.raises(Refused, match="model"):
        check(edit(model=model), Desired())


@pytest.mark.parametrize("uuid", ["", "-1", "GPU 1", "GPU-1,GPU-2", "a\n", "x" * 200])
def test_gpus_are_named_as_nvml_does(uuid: str) -> None:
    with pytest.raises(Refused, match="UUID"):
        check(edit(slices=(Slice(gpu_uuid=uuid, gpu_index=0),)), Desired())


@pytest.mark.parametrize(
    "variable", ["LD_PRELOAD", "PYTHONPATH", "PATH", "BASH_ENV", "GPUYARD_STATE", "A=B", "1A", "A\n"]
)
def test_variables_that_change_what_is_executed_are_refused(variable: str) -> None:
    with pytest.raises(Refused):
        check(edit(env={variable: "x"}), Desired())


@pytest.mark.parametrize("port", [80, 0, 70000])
def test_ports_are_those_of_users(port: int) -> None:
    with pytest.raises(Refused, match="no port"):
        check(edit(port=port), Desired())


def test_values_that_no_environment_holds_are_refused() -> None:
    with pytest.raises(Refused, match="NUL"):
        check(edit(env={"A": "\0"}), Desired())
