"""The recorded flags are those of the engines, and their parsers take what the adapters write, value by value."""

import subprocess
from collections.abc import Callable

import pytest

from engines import registry
from tests.engines.every_option import every_option
from tests.engines.test_adapters import command
from tests.real_engines import environments, flags

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("known", [flags.llama_cpp, flags.sglang, flags.vllm], ids=lambda known: str(known.__name__))
def test_the_recorded_flags_are_those_of_the_engine(known: Callable[[], str]) -> None:
    assert flags.recorded(known.__name__).read_text() == known()


def argv(name: str, *, negated: bool, **told: object) -> list[str]:
    """All options, with `told` for those that an engine checks by more than their type."""
    options = every_option(registry.get(name), negated=negated) | told
    return list(command(name, "/models/tiny.gguf", **options).argv)


def test_vllm_parses_every_option() -> None:
    told = {"kv_cache_dtype": "fp8", "lora_modules": ["a=/l/a", "b=/l/b"], "program": "python3"}
    on, off = (argv("vllm", negated=negated, **told)[3:] for negated in (False, True))
    flags.vllm(on, off)


@pytest.mark.parametrize("negated", [False, True], ids=["on", "off"])
def test_llama_server_parses_every_option(negated: bool) -> None:
    words = argv("llama_cpp", negated=negated, lora_scaled=["/l/a:0.5"], chat_template="chatml", main_gpu=0)
    program = environments.llama_cpp()
    asked = [str(program.path), *words[1:], "--version"]  # read in order: what stands before it has been taken
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=program.env, timeout=60)
    assert done.returncode == 0, done.stderr[-1000:]
    refused = subprocess.run([*asked[:-1], "--none", asked[-1]], capture_output=True, check=False, env=program.env)
    assert refused.returncode == 1
