"""What engines are told while they run: method, path and body of each call, and which options it takes."""

from typing import Any

import msgspec
import pytest

from engines import registry
from engines.control import Act, Call, Controlled, control_of, launch_options, why_not
from engines.options import options_for

VLLM: dict[str, Any] = {"enable_sleep_mode": True, "server_dev_mode": True}
LORA: dict[str, Any] = {"enable_lora": True, "allow_runtime_lora_updating": True}
SGLANG: dict[str, Any] = {"enable_memory_saver": True, "enable_weights_cpu_backup": True}
SGLANG_LORA: dict[str, Any] = {"enable_lora": True, "max_lora_rank": 16, "lora_target_modules": ["q_proj"]}


@pytest.mark.parametrize(
    ("engine", "options", "act", "call"),
    [
        ("vllm", VLLM, Act.SLEEP, ("/sleep?level=1&mode=abort", b"")),
        ("vllm", VLLM, Act.WAKE, ("/wake_up", b"")),
        ("vllm", {"server_dev_mode": True}, Act.FLUSH_CACHE, ("/reset_prefix_cache", b"")),
        ("sglang", SGLANG, Act.SLEEP, ("/release_memory_occupation", b"{}")),
        ("sglang", SGLANG, Act.WAKE, ("/resume_memory_occupation", b"{}")),
        ("sglang", {}, Act.FLUSH_CACHE, ("/flush_cache?timeout=10", b"")),
        ("simulated", {}, Act.SLEEP, ("/sleep?level=1&mode=abort", b"")),
    ],
)
def test_a_call(engine: str, options: dict[str, Any], act: Act, call: tuple[str, bytes]) -> None:
    adapter = registry.get(engine)
    made = control_of(adapter, options_for(adapter, options)).acts[act]
    assert (made.path, made.body) == call
    assert why_not(engine, options, act) == ""


@pytest.mark.parametrize(
    ("engine", "options", "act", "said"),
    [
        ("vllm", {}, Act.SLEEP, "server_dev_mode"),
        ("vllm", {"server_dev_mode": True}, Act.WAKE, "enable_sleep_mode"),
        ("vllm", {"enable_sleep_mode": True}, Act.FLUSH_CACHE, "server_dev_mode"),
        ("sglang", {"enable_memory_saver": True}, Act.SLEEP, "enable_weights_cpu_backup"),
        ("simulated", {"enable_sleep_mode": False}, Act.SLEEP, "enable_sleep_mode"),
        ("llama_cpp", {}, Act.SLEEP, "sleep_idle_seconds"),
        ("tensorrt_llm", {}, Act.SLEEP, "signature"),
        ("vllm", {"no_such": 1}, Act.SLEEP, "no option"),
        ("haproxy", {}, Act.SLEEP, "haproxy has no call"),
    ],
)
def test_what_there_is_no_call_for_has_a_reason(engine: str, options: dict[str, Any], act: Act, said: str) -> None:
    assert said in why_not(engine, options, act)


@pytest.mark.parametrize("option", ["server_dev_mode", "allow_runtime_lora_updating"])
def test_what_opens_an_engine_is_set_by_its_variable_and_is_an_admins(option: str) -> None:
    engine = registry.get("vllm")
    assert option in getattr(engine, "guarded", ())


def steps(engine: str, old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, object, object]]:
    """Path, body and the value afterwards of each call."""
    adapter = registry.get(engine)
    assert isinstance(adapter, Controlled)
    made = adapter.live_steps(options_for(adapter, old), options_for(adapter, new))
    return [(step.call.path, msgspec.json.decode(step.call.body), step.value) for step in made]


@pytest.mark.parametrize("engine", ["vllm", "simulated"])
def test_lora_adapters_go_before_others_come(engine: str) -> None:
    switches = LORA if engine == "vllm" else {"enable_lora": True}
    old = {**switches, "lora_modules": ["a=/l/a", "b=/l/b"]}
    loaded = {"lora_name": "b", "lora_path": "/l/b2", "load_inplace": True}
    assert steps(engine, old, {**switches, "lora_modules": ["b=/l/b2", "a=/l/a"]}) == [
        ("/v1/unload_lora_adapter", {"lora_name": "b"}, ("a=/l/a",)),
        ("/v1/load_lora_adapter", loaded, ("a=/l/a", "b=/l/b2")),
    ]
    assert steps(engine, old, old) == []


def test_sglangs_adapters_and_logging() -> None:
    new = {**SGLANG_LORA, "lora_paths": ["a=/l/a"], "log_level": "debug", "log_requests": True}
    assert steps("sglang", SGLANG_LORA, new) == [
        ("/configure_logging", {"log_level": "debug"}, "debug"),
        ("/configure_logging", {"log_requests": True}, True),
        ("/load_lora_adapter", {"lora_name": "a", "lora_path": "/l/a"}, ("a=/l/a",)),
    ]
    assert steps("sglang", new, SGLANG_LORA) == [
        ("/configure_logging", {"log_level": "info"}, None),
        ("/configure_logging", {"log_requests": False}, None),
        ("/unload_lora_adapter", {"lora_name": "a"}, ()),
    ]


def test_llama_cpp_is_told_the_scale_of_every_adapter() -> None:
    old = {"lora": ["/l/a"], "lora_scaled": ["/l/b:0.5", "/l/c:1"]}
    new = {"lora": ["/l/a"], "lora_scaled": ["/l/b:0.25", "/l/c:1"]}
    scales = [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.25}, {"id": 2, "scale": 1.0}]
    assert steps("llama_cpp", old, new) == [("/lora-adapters", scales, ("/l/b:0.25", "/l/c:1"))]


@pytest.mark.parametrize(
    ("engine", "old", "new", "live"),
    [
        ("vllm", {**LORA}, {**LORA, "lora_modules": ["a=/l/a"]}, True),
        ("vllm", {"enable_lora": True}, {"enable_lora": True, "lora_modules": ["a=/l/a"]}, False),
        ("vllm", {**LORA, "data_parallel_size": 2},
         {**LORA, "data_parallel_size": 2, "lora_modules": ["a=/l/a"]}, False),
        ("vllm", {**LORA, "lora_modules": ["a=/l/a"]}, {"enable_lora": True, "lora_modules": ["a=/l/a"]}, False),
        ("vllm", {"max_num_seqs": 1}, {"max_num_seqs": 2}, False),
        ("sglang", {}, {"log_level": "debug"}, True),
        ("sglang", {"enable_lora": True}, {"enable_lora": True, "lora_paths": ["a=/l/a"]}, False),
        ("sglang", SGLANG_LORA, {**SGLANG_LORA, "lora_paths": ["a=/l/a"]}, True),
        ("llama_cpp", {"lora_scaled": ["/l/a:1"]}, {"lora_scaled": ["/l/a:0.5"]}, True),
        ("llama_cpp", {"lora_scaled": ["/l/a:1"]}, {"lora_scaled": ["/l/b:1"]}, False),
        ("llama_cpp", {}, {"lora_scaled": ["/l/a:1"]}, False),
        ("llama_cpp", {"lora": ["/l/a"]}, {"lora": ["/l/b"]}, False),
        ("llama_cpp", {"lora_scaled": ["/l/a:1"], "lora_init_without_apply": True},
         {"lora_scaled": ["/l/a:0.5"], "lora_init_without_apply": True}, False),
        ("nobody", {"a": 1}, {"a": 2}, False),
    ],
)  # fmt: skip
def test_an_engine_starts_anew_for_what_its_adapter_cannot_change(
    engine: str, old: dict[str, Any], new: dict[str, Any], live: bool
) -> None:
    assert (launch_options(engine, old) == launch_options(engine, new)) == live


def test_a_call_is_done_by_its_status_and_its_words() -> None:
    flush = Call(path="/reset_prefix_cache", says={"success": True})
    assert flush.done_by(200, b'{"success":true}')
    assert not flush.done_by(200, b'{"success":false}')
    assert not flush.done_by(200, b"[]")
    assert not flush.done_by(404, b'{"success":true}')
    assert Call(path="/x", done=(200, 404)).done_by(404, b"")
