"""What all services of a profile have, and how one of them has it otherwise."""

import pytest

from profiles.desired.model import Defaults, SecretRef, Service
from profiles.desired.restart import RestartRequest
from profiles.files.load import parse_profile
from profiles.latency.objectives import SloRequest
from profiles.text.yamltext import FileError, read

TEXT = """\
gpuyard: 1
profile: p
defaults:
  engine: vllm
  priority: low
  lease: 30d
  slo: {errors: 1%, ttft_p95: 2s}
  env: {HF_TOKEN: {secret: hf-token}, REGION: fra}
  restart: {window: 1h}
services:
  plain: {model: m}
  other:
    model: m
    engine: sglang
    priority: high
    lease: null
    slo: {ttft_p95: 200ms}
    env: {REGION: ber}
    restart: {max: 2}
"""


def test_a_service_has_them_unless_it_says_otherwise() -> None:
    services = parse_profile(read(TEXT)).services
    assert services["plain"] == Service(
        "m", "vllm", priority="low", lease="30d", slo=SloRequest(errors="1%", ttft_p95="2s"),
        env={"HF_TOKEN": SecretRef("hf-token"), "REGION": "fra"}, restart=RestartRequest(window="1h"),
    )  # fmt: skip
    assert services["other"] == Service(
        "m", "sglang", priority="high", slo=SloRequest(errors="1%", ttft_p95="200ms"),
        env={"HF_TOKEN": SecretRef("hf-token"), "REGION": "ber"}, restart=RestartRequest(2, "1h"),
    )  # fmt: skip


def test_all_that_can_be_one_is_a_key_of_a_service() -> None:
    assert set(Defaults.__struct_fields__) <= set(Service.__struct_fields__)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("lease: 30d", "lease: 30 d", "6:10: `30 d` is no duration", "a number and m, h or d: `30d`"),
        ("errors: 1%", "errors: 1", "7:17: expected text, found a whole number", "put it in quotes"),
        ("priority: low", "priority: lo", "5:13: `lo` is no priority",
         "one of low, normal, high, or a number from 0 to 1000"),
        ("ttft_p95: 2s", "tftt_p95: 2s", "7:21: unknown key `tftt_p95`", "did you mean `ttft_p95`?"),
        ("REGION: fra", "PATH: /tmp", "8:39: PATH may not be set", "it would change what is executed"),
        ("  priority: low", "  model: m", "5:3: unknown key `model`",
         "known: engine, restart, place, env, resources, priority, preemptible, slo, canary, lease"),
        ("ttft_p95: 200ms", "ttft_p95: soon", "17:21: `soon` is no time", "a number and ms or s: `800ms`"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_stand(old: str, new: str, message: str, hint: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_profile(read(TEXT.replace(old, new, 1), "p"))
    assert (str(caught.value), caught.value.hint) == (f"p:{message}", hint)
