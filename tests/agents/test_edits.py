"""Names and values of an edit that could leave their place: refused before anything is written."""

import pytest
from msgspec.structs import replace

from agents.errors import Refused
from agents.instances.edits import check
from agents.wire import SetDesired
from engines.devices import Slice
from profiles.desired.model import Cordon, Desired, DesiredInstance, InstanceSpec, SecretRef


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


def test_what_is_cordoned_takes_nothing_new_and_keeps_what_is_there() -> None:
    gpu = (Slice(gpu_uuid="GPU-1", gpu_index=1),)
    there = edit(slices=gpu).instances
    cordoned = Desired(cordons={"GPU-1": Cordon(gpu_index=1, reason="fan", author="ana")})
    with pytest.raises(Refused, match=r"a/0: GPU 1 is cordoned by ana \(fan\)") as refused:
        check(edit(slices=gpu), cordoned)
    assert refused.value.code == "cordoned"
    check(edit(slices=gpu, restarts_asked=1), replace(cordoned, instances=there))
    check(replace(edit(slices=gpu), cordons={}), cordoned)  # taken back in the same edit
    with pytest.raises(Refused, match="the node is cordoned"):
        check(replace(edit(), cordons={"": Cordon(author="bob")}), Desired())


@pytest.mark.parametrize("cordons", [{"GPU 1": Cordon()}, {"": Cordon(reason="x" * 501)}])
def test_cordons_that_name_nothing_or_say_too_much_are_refused(cordons: dict[str, Cordon]) -> None:
    with pytest.raises(Refused):
        check(replace(edit(), cordons=cordons), Desired())
