"""Command lines read back: those that gpuyard writes, and those that people do."""

import pytest

from engines import registry
from engines.base import Engine, Launch
from engines.options import options_for
from engines.reading import NotRead, Told, read, split
from engines.words import Reads
from tests.engines.every_option import every_option

READABLE = [name for name in registry.names() if isinstance(registry.get(name), Reads)]
LLAMA = registry.get("llama_cpp")


def launched(engine: Engine, raw: dict[str, object]) -> tuple[str, ...]:
    launch = Launch(
        instance="chat/0", model="org/model", served_name="chat", port=8123, options=options_for(engine, raw)
    )
    return engine.command(launch).argv


def test_these_can_be_read() -> None:
    assert {"llama_cpp", "simulated", "vllm"} == set(READABLE)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("negated", [False, True])
def test_what_gpuyard_starts_reads_as_what_starts_the_same(name: str, negated: bool) -> None:
    engine = registry.get(name)
    argv = launched(engine, every_option(engine, negated=negated))
    told = read(engine, argv)
    said = (told.engine, told.model, told.port, told.host, told.served_as)
    assert said == (name, "org/model", 8123, "127.0.0.1", "chat")
    assert launched(engine, told.options) == argv


def test_a_command_line_of_vllm_as_people_write_it() -> None:
    line = "/venv/bin/python /venv/bin/vllm serve org/model -tp 2 --max-model-len=4096 --no-enable-prefix-caching"
    told = read(registry.get("vllm"), line.split())
    assert (told.model, told.port, told.host) == ("org/model", 8000, "0.0.0.0"), "vLLM's own choice, which is open"
    assert told.options == {
        "program": "/venv/bin/vllm",
        "shutdown_timeout": 0,
        "tensor_parallel_size": 2,
        "max_model_len": 4096,
        "enable_prefix_caching": False,
    }


def test_a_word_after_an_unknown_flag_is_never_taken_for_the_model() -> None:
    with pytest.raises(NotRead, match="names no model"):
        read(registry.get("vllm"), ["vllm", "serve", "--unheard-of", "word"])


def test_a_command_line_of_llama_server_as_people_write_it() -> None:
    line = "/opt/llama/llama-server -m /models/q.gguf -c 8192 -np 4 -ngl all --no-kv-unified -fa on --port=9000"
    assert read(LLAMA, [*line.split(), "--verbose"]) == Told(
        engine="llama_cpp",
        model="/models/q.gguf",
        port=9000,
        options={
            "program": "/opt/llama/llama-server",
            "ctx_size": 8192,
            "parallel": 4,
            "n_gpu_layers": "all",
            "kv_unified": False,
            "flash_attn": "on",
            "extra_args": ["--verbose"],
        },
    )


def test_what_it_leaves_out_is_the_engine_s_own_choice() -> None:
    assert read(LLAMA, ["llama-server", "-m", "a.gguf"]).port == 8080


@pytest.mark.parametrize("name", READABLE)
def test_another_program_is_not_read(name: str) -> None:
    engine = registry.get(name)
    assert split(engine, []) is None
    with pytest.raises(NotRead, match="python3"):
        read(engine, ["/usr/bin/python3", "train.py", "--model", "x"])


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("python -m engines.simulated --model m --port 1 --no-such 3", "`--no-such`"),
        ("python -m engines.simulated --model m --port 1 --no-seed 3", "`--no-seed`"),
        ("python -m engines.simulated --model m --port 1 --enable-lora=1", "`--enable-lora` takes no value"),
        ("python -m engines.simulated --port 1", "model"),
        ("python -m engines.simulated --model m", "port"),
        ("python -m engines.simulated --model m --port", "--port"),
        ("python -m engines.simulated --model m --port 1 --seed many", "--seed many"),
        ("python -m engines.simulated --model m --port 1 --seed 1 --seed 2", "`--seed` says what was said before"),
    ],
)
def test_what_cannot_be_read_is_named(line: str, names: str) -> None:
    with pytest.raises(NotRead) as caught:
        read(registry.get("simulated"), line.split())
    assert names in caught.value.message


@pytest.mark.parametrize("said", [["--api-key", "s3cret"], ["--api-key=s3cret"], ["--hf-token", "s3cret"]])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(said: list[str]) -> None:
    with pytest.raises(NotRead) as caught:
        read(LLAMA, ["llama-server", "-m", "a.gguf", *said])
    assert said[0].partition("=")[0] in caught.value.message
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"
    assert "`env`" in caught.value.hint


def test_variables_that_set_it_count_where_no_flag_says_the_same() -> None:
    said = {"LLAMA_ARG_PORT": "9100", "LLAMA_ARG_MODEL": "/m/a.gguf", "LLAMA_ARG_CTX_SIZE": "4096", "SHELL": "/bin/sh"}
    told = read(LLAMA, ["llama-server", "--port", "9000"], said | {"HF_TOKEN": "s3cret", "HF_HOME": "/hf"})
    assert (told.port, told.model) == (9000, "/m/a.gguf")
    assert told.env == {"HF_HOME": "/hf", "LLAMA_ARG_CTX_SIZE": "4096"}
    assert told.left == ("HF_TOKEN",)
    dev = read(registry.get("vllm"), ["vllm", "serve", "m"], {"VLLM_SERVER_DEV_MODE": "1", "VLLM_MAX_TOKENS_X": "9"})
    assert (dev.options["server_dev_mode"], dev.env) == (True, {"VLLM_MAX_TOKENS_X": "9"})


def test_a_key_of_an_engine_in_its_environment_is_refused_and_not_repeated() -> None:
    with pytest.raises(NotRead, match="VLLM_API_KEY") as caught:
        read(registry.get("vllm"), ["vllm", "serve", "m"], {"VLLM_API_KEY": "s3cret"})
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_who_runs_an_engine_is_not_the_engine() -> None:
    assert split(LLAMA, ["timeout", "llama-server"]) is None
