"""Both engines, installed once for each machine, and a tiny model for each."""

import pytest

from tests.real_engines import environments, tiny_models
from tests.real_engines.served import Served


@pytest.fixture(scope="session")
def llama_cpp(tmp_path_factory: pytest.TempPathFactory) -> Served:
    program = environments.llama_cpp()
    model = tiny_models.write_llama_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    options = {"program": str(program.path), "ctx_size": 2048, "parallel": 2, "threads": 1, "cache_ram": 0}
    return Served("llama_cpp", model, options, program.env)


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Served:
    program = environments.vllm()
    model = tiny_models.write_llama_folder(tmp_path_factory.mktemp("folder") / "tiny")
    options = {
        "program": str(program.path),
        "load_format": "dummy",
        "max_model_len": 2048,
        "max_num_seqs": 4,
        "enforce_eager": True,
        "shutdown_timeout": 5,
        "custom_histogram_buckets": {"time_to_first_token": [0.05, 0.8, 5.0]},
    }
    return Served("vllm", model, options, program.env, ready_limit_s=180.0)
