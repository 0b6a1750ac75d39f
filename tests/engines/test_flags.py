"""Every flag that an adapter writes is one that its engine knows, by the lists in fixtures/*/flags.txt.

`make test-engines` holds the lists to the engines themselves, and gives whole command lines to vLLM's parser and to
llama-server. TensorRT-LLM's list is `tensorrt_llm/commands/serve.py` at commit 00209af: its package cannot be had.
"""

import re
from pathlib import Path

import pytest

from engines import registry
from engines.base import Engine
from engines.options.extra import Spells
from tests.engines.every_option import every_option
from tests.engines.test_adapters import command

FIXTURES = Path(__file__).parent / "fixtures"
ENGINES = ("llama_cpp", "sglang", "tensorrt_llm", "vllm")


def groups(name: str) -> list[frozenset[str]]:
    """The spellings of each flag; dashes and underscores are one."""
    text = next(FIXTURES.glob(f"{name}-*/flags.txt")).read_text()
    return [frozenset(map(plain, line.split())) for line in text.splitlines()]


def plain(flag: str) -> str:
    return flag if not flag.startswith("--") else "--" + flag[2:].replace("_", "-")


def written(engine: Engine, *, negated: bool) -> set[str]:
    words = command(engine.name, "/models/m", **every_option(engine, negated=negated)).argv
    # A negation is spelled from its flag, which is what the lists have.
    return {plain(re.sub(r"^--no-", "--", word)) for word in words if re.match(r"-{1,2}[a-z]", word)}


@pytest.mark.parametrize("negated", [False, True], ids=["on", "off"])
@pytest.mark.parametrize("name", ENGINES)
def test_every_flag_is_known_to_the_engine(name: str, negated: bool) -> None:
    known = {flag for group in groups(name) for flag in group}
    assert written(registry.get(name), negated=negated) - known == set()


@pytest.mark.parametrize("name", ENGINES)
def test_every_other_spelling_of_a_flag_is_refused_as_a_word_of_ones_own(name: str) -> None:
    engine = registry.get(name)
    assert isinstance(engine, Spells)
    own = written(engine, negated=False) | written(engine, negated=True)
    spelled = {plain(flag) for flag in engine.spellings} | own
    spelled |= {plain(f"--{option}") for option in engine.Options.__struct_fields__}
    others = {flag for group in groups(name) if group & own for flag in group}
    assert others - spelled == set()


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_refused_exists(name: str) -> None:
    engine = registry.get(name)
    assert isinstance(engine, Spells)
    known = {flag for group in groups(name) for flag in group}
    unknown = {flag for flag in engine.spellings if plain(flag) not in known and not flag.startswith("-no")}
    assert unknown <= {"--config"}, "SGLang and vLLM read it before their parsers do"
