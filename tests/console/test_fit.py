"""`gpuyard fit` as a person runs it, on files that a hub would have left."""

import json
from pathlib import Path

import pytest

from console.cli.parser import run

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "torch_dtype": "bfloat16",
    "max_position_embeddings": 131072,
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    return str(tmp_path)


def test_a_model_that_fits_says_how_often(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", model, "--gpu", "H100", "--context", "16384"]) == 0
    text = capsys.readouterr().out
    assert "128 KiB a token" in text
    assert "worked out" in text
    assert "30 sequences of 16,384 tokens fit" in text


def test_a_share_too_small_says_how_much_is_missing(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", model, "--gpu", "H100", "--share", "12GiB"]) == 1
    assert "GiB too little for one sequence — a larger share" in capsys.readouterr().err


def test_two_gpus_hold_half_each(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", model, "--gpu", "24GiB", "--gpus", "2", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["weights_mib"] == 7659
    assert item["kv_token_bytes"] == 65_536
    assert item["communication_mib"] > 0


def test_a_smaller_type_of_keys_and_values_makes_room(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    fits = []
    for kind in ("auto", "fp8"):
        assert run(["fit", model, "--gpu", "L40S", "--kv-dtype", kind, "--json"]) == 0
        fits.append(json.loads(capsys.readouterr().out)["items"][0]["sequences"])
    assert fits[1] in (2 * fits[0], 2 * fits[0] + 1)


def test_a_share_is_said_in_each_engine_s_own_words(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """20 GiB of 81,559 MiB, less 600 for CUDA: 19,880 ÷ 81,559 for vLLM, which counts from the whole."""
    assert run(["fit", model, "--gpu", "H100", "--share", "20GiB", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["options"]["vllm"] == "gpu_memory_utilization: 0.2437"
    assert item["options"]["sglang"].startswith("mem_fraction_static: 0.2")
    assert "simulated" not in item["options"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--gpu", "H1000"], "no GPU type `H1000` is known — known: T4, L4"),
        (["--gpu", "L4", "--share", "lots"], "`lots` is no size"),
        (["--gpu", "L4", "--share", "30GiB"], "more than a L4 can give"),
        (["--gpu", "L4", "--kv-dtype", "int3"], "`int3` is not known"),
        (["--gpu", "L4", "--context", "0"], "no number from 1 on"),
    ],
)
def test_what_cannot_be_is_refused(model: str, words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", model, *words]) == 64
    assert says in capsys.readouterr().err


def test_no_model_is_said_with_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", str(tmp_path), "--gpu", "L4"]) == 64
    assert "no config.json and no .gguf file" in capsys.readouterr().err
