"""What every adapter must keep, whichever engine it drives."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from engines import registry
from engines.abilities import Details, Renames
from engines.base import BadOptions, Engine, EngineSample, Launch, Progress, UnknownEngine, guarded_options
from engines.control import Act, control_of
from engines.devices import Slice
from engines.options import options_for
from engines.options.extra import Spells
from tests.engines.every_option import documented, every_option


@dataclass(frozen=True)
class Case:
    engine: Engine
    launch: Launch


@pytest.fixture(params=registry.names())
def case(request: pytest.FixtureRequest) -> Case:
    engine = registry.get(request.param)
    launch = Launch(
        instance="chat/0",
        model="org/model",
        served_name="chat",
        port=8123,
        options=options_for(engine, {}),
        slices=(Slice(gpu_uuid="GPU-b", gpu_index=1), Slice(gpu_uuid="GPU-a", gpu_index=0)),
    )
    return Case(engine, launch)


def test_the_adapters_are_these() -> None:
    assert {"llama_cpp", "sglang", "simulated", "tensorrt_llm", "vllm"} == set(registry.names())


def test_an_unknown_engine_is_refused_with_a_hint() -> None:
    with pytest.raises(UnknownEngine) as caught:
        registry.get("vlm")
    assert "`vllm`" in caught.value.hint


def test_the_name_is_the_file_name(case: Case) -> None:
    assert registry.get(case.engine.name) is case.engine


def test_options_are_strict_and_documented(case: Case) -> None:
    assert case.engine.Options.__doc__
    with pytest.raises(BadOptions) as caught:
        options_for(case.engine, {"no_such_option": 1})
    assert caught.value.key == "no_such_option"
    with pytest.raises(BadOptions):
        options_for(case.engine, {"program": 7})


def test_a_command_is_plain_words_on_loopback(case: Case) -> None:
    command = case.engine.command(case.launch)
    assert all(isinstance(word, str) and word for word in command.argv)
    assert command.argv[command.argv.index("--host") + 1] == "127.0.0.1"
    assert command.argv[command.argv.index("--port") + 1] == "8123"
    assert "org/model" in command.argv
    assert "chat" in command.argv or case.engine.name == "tensorrt_llm", "it takes no name"
    assert command.needs_files == ()


def test_clients_ask_by_the_name_that_it_is_told(case: Case) -> None:
    argv = case.engine.command(msgspec.structs.replace(case.launch, served_name="asked-so")).argv
    said = isinstance(case.engine, Renames) and f"--{case.engine.served_name_option.replace('_', '-')}"
    assert not said or argv[argv.index(said) + 1] == "asked-so"
    assert bool(said) == ("asked-so" in argv)


def test_gpus_are_named_by_uuid_in_order(case: Case) -> None:
    assert case.engine.command(case.launch).env["CUDA_VISIBLE_DEVICES"] == "GPU-b,GPU-a"


def test_without_a_slice_no_gpu_is_visible(case: Case) -> None:
    launch = msgspec.structs.replace(case.launch, slices=())
    assert case.engine.command(launch).env["CUDA_VISIBLE_DEVICES"] == ""


def test_the_probe_can_be_asked(case: Case) -> None:
    probe = case.engine.ready(case.launch)
    assert probe.ready_path.startswith("/")
    assert probe.metrics_path in ("/metrics", "/prometheus/metrics")
    assert 0 < probe.timeout_s < probe.load_deadline_s


def test_what_is_absent_is_a_field_with_a_reason(case: Case) -> None:
    assert set(case.engine.absent) <= set(EngineSample.__struct_fields__)
    assert all(case.engine.absent.values())


@pytest.mark.parametrize("text", ["", "\n", "<html>not found</html>", '{"error": 1}', "x" * 10_000])
def test_foreign_metrics_give_an_empty_sample(case: Case, text: str) -> None:
    assert case.engine.sample(text) == EngineSample()


@pytest.mark.parametrize(
    "text", ["", "<html>not found</html>", '{"error": 1}', "[1]", '[{"n_ctx": "x"}]', "x" * 10_000]
)
def test_a_foreign_second_page_adds_nothing(case: Case, text: str) -> None:
    if case.engine.ready(case.launch).detail_path is None:
        return
    assert isinstance(case.engine, Details)
    assert case.engine.detailed(EngineSample(running=1), text) == EngineSample(running=1)


def test_what_changes_live_is_an_option_and_says_how(case: Case) -> None:
    names = case.engine.Options.__struct_fields__
    assert set(case.engine.live) <= set(names)
    assert all(case.engine.live.values())
    assert "program" not in case.engine.live
    for options in (case.launch.options, full(case).options):
        assert control_of(case.engine, options).live.keys() <= case.engine.live.keys()


def test_every_act_has_its_call_or_the_reason(case: Case) -> None:
    for options in (case.launch.options, full(case).options):
        control = control_of(case.engine, options)
        assert set(Act) == control.acts.keys() | control.absent.keys()
        assert not control.acts.keys() & control.absent.keys()
        assert all(control.absent.values())
        assert all(call.path.startswith("/") for call in control.acts.values())
        assert (Act.SLEEP in control.acts) == (Act.WAKE in control.acts)


def test_every_option_is_documented(case: Case) -> None:
    assert documented(case.engine.Options).keys() >= set(case.engine.Options.__struct_fields__)


def test_words_of_ones_own_repeat_nothing_and_are_an_admins(case: Case) -> None:
    if "extra_args" not in case.engine.Options.__struct_fields__:
        return
    assert isinstance(case.engine, Spells)
    assert "extra_args" in guarded_options(case.engine)
    added = options_for(case.engine, {"extra_args": ["--of-a-later-version", "-1"]})
    launch = msgspec.structs.replace(case.launch, options=added)
    assert case.engine.command(launch).argv[-2:] == ("--of-a-later-version", "-1")
    own = [word for word in case.engine.command(full(case)).argv if word.startswith("--")]
    assert len(own) == len(set(own)), "a flag is passed twice"
    for word in (*own, *case.engine.spellings, "--host=0.0.0.0", "--hos"):
        with pytest.raises(BadOptions) as caught:
            options_for(case.engine, {"extra_args": [word]})
        assert caught.value.key == "extra_args"
        assert caught.value.hint


def full(case: Case) -> Launch:
    """With every option chosen."""
    return msgspec.structs.replace(case.launch, options=options_for(case.engine, every_option(case.engine)))


def test_progress_ignores_other_lines(case: Case) -> None:
    assert isinstance(case.engine, Progress)
    assert case.engine.progress("") is None
    assert case.engine.progress("GET /health 200") is None


HOSTILE = st.one_of(
    st.sampled_from(
        ["--port", "-p", "--host=0.0.0.0", "a b", "a\n--port 1", "a\0b", "$(id)", "; id", "`id`", "..", "\u202e"]
    ),
    st.text(max_size=12),
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of all takes long on a busy machine
@given(name=st.sampled_from(registry.names()), data=st.data())
def test_no_value_becomes_a_word_of_its_own(name: str, data: st.DataObject) -> None:
    """Whatever stands in an option: it is refused, or it is one word exactly where the option's value belongs."""
    engine = registry.get(name)
    texts = [one.encode_name for one in fields(engine.Options) if one.type in (str, str | None)]
    values = {text: data.draw(HOSTILE) for text in texts if data.draw(st.booleans())}
    try:
        hostile = options_for(engine, values)
    except BadOptions:
        return
    assert not any(value.startswith("-") or not value.isprintable() for value in values.values())
    launch = Launch(instance="chat/0", model="org/model", served_name="chat", port=8123, options=hostile)
    plain = msgspec.structs.replace(launch, options=options_for(engine, dict.fromkeys(values, "x")))
    before, after = engine.command(plain).argv, engine.command(launch).argv
    if "program" in values and "python" in values["program"]:
        return  # vLLM's interpreter is started in another way
    assert len(before) == len(after)
    changed = {new for old, new in zip(before, after, strict=True) if old != new}
    assert changed <= set(values.values())


@pytest.mark.parametrize("value", ["-x", "--port", "a\nb", "a\0", "\x1b[2J", "\u202e"])
def test_what_could_be_an_option_is_refused_with_its_name(case: Case, value: str) -> None:
    with pytest.raises(BadOptions) as caught:
        options_for(case.engine, {"program": value})
    assert caught.value.key == "program"
    assert caught.value.message.startswith("option `program`: a value")
