"""agent.toml: what it says, and where it is wrong."""

from pathlib import Path

import pytest

from agents.runtimes.settings import BadSettings, Settings, read
from profiles.observed.runtime import Runtime


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def test_a_node_without_one_has_nothing_to_say(file: Path) -> None:
    assert read(file) == Settings()


def test_each_kind_of_runtime_is_read(file: Path) -> None:
    file.write_text("""
        gpuyard = 1
        [runtimes.a]
        engine = "vllm"
        venv = "/opt/vllm"
        [runtimes."b-1.2"]
        engine = "llama_cpp"
        binary = "/usr/bin/llama-server"
        [runtimes.c]
        engine = "sglang"
        prefix = ["/opt/run", "--exec"]
    """)
    assert read(file).runtimes == {
        "a": Runtime("vllm", venv="/opt/vllm"),
        "b-1.2": Runtime("llama_cpp", binary="/usr/bin/llama-server"),
        "c": Runtime("sglang", prefix=("/opt/run", "--exec")),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpuyard = 2", "agent.toml:1:1: version 2 is not known"),
        ("[runtime.a]", "agent.toml:1:2: unknown key `runtime` — did you mean `runtimes`?"),
        ('[runtimes.a]\nengine = "vllm"\nvnev = "/x"', "agent.toml:3:1: unknown key `vnev` — did you mean `venv`?"),
        ('[runtimes.a]\nvenv = "/x"', "`engine` is missing"),
        ('[runtimes.a]\nengine = "vllm"\nvenv = 7', "agent.toml:3:1: expected text, found a whole number"),
        ('[runtimes.a]\nengine = "vlm"\nvenv = "/x"', "agent.toml:2:1: no engine is called `vlm`"),
        ('[runtimes.a]\nengine = "simulated"\nvenv = "/x"', "agent.toml:2:1: simulated has no runtimes"),
        ('[runtimes.a]\nengine = "llama_cpp"\nvenv = "/x"', "agent.toml:3:1: llama-server is a program"),
        ('[runtimes.a]\nengine = "vllm"\nprefix = ["/usr/bin/docker"]', "agent.toml:1:2: engines in containers"),
        ('[runtimes.A]\nengine = "vllm"\nvenv = "/x"', "agent.toml:1:2: `A` cannot name a runtime"),
        ("[runtimes", "agent.toml:1:"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(BadSettings) as caught:
        read(file)
    assert said in str(caught.value)


def test_a_file_that_others_can_write_says_nothing(file: Path) -> None:
    file.write_text("gpuyard = 1")
    file.chmod(0o666)
    with pytest.raises(BadSettings, match="others can write"):
        read(file)


@pytest.mark.parametrize("text", ["0.0.0.0", "fra-1", "10.0.0.300", "::1", "10.0.0.5:80"])
def test_a_gateway_may_be_given_one_address_and_nothing_else(file: Path, text: str) -> None:
    file.write_text(f'gpuyard = 1\nbind = "{text}"\n')
    with pytest.raises(BadSettings, match="is no address to listen at"):
        read(file)
    file.write_text('gpuyard = 1\nbind = "10.0.0.5"\n')
    assert read(file).bind == "10.0.0.5"


@pytest.mark.parametrize(
    "place", ["0.0.0.0:9401", "10.0.0.5:9401", "localhost:9401", "[::1]:9401", "127.0.0.1", "127.0.0.1:80"]
)
def test_metrics_are_served_on_loopback_and_nowhere_else(file: Path, place: str) -> None:
    file.write_text(f'gpuyard = 1\nmetrics = "{place}"\n')
    with pytest.raises(BadSettings, match=r"agent\.toml:2:1: .* there is no login, so nothing but loopback is served"):
        read(file)
    file.write_text('gpuyard = 1\nmetrics = "127.0.0.1:9401"\n')
    assert read(file).metrics == "127.0.0.1:9401"
