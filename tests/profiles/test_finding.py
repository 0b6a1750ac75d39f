"""Findings as people read them, and what is taken out of a bundle."""

import pytest

from profiles.observed.finding import TOPICS, Finding, Severity, in_short, info, lines, ok, ordered, problem, warning
from profiles.text.scrub import HIDDEN, scrub


def test_findings_are_read_by_topic() -> None:
    found = [ok("driver", "well"), problem("login", "no", "yes"), warning("newer_code", "x", "y"), info("login", "z")]
    assert [one.topic for one in ordered(found)] == ["link", "link", "gpus", "other"]
    assert next(lines(found)) == "link"
    assert "→ yes" in "\n".join(lines(found))
    assert max(map(len, lines([warning("login", "word " * 40, "fix " * 40)], 80))) <= 80
    assert in_short(found) == "1 problem, 1 warning"
    assert in_short([Finding("driver", Severity.OK, "")]) == "all well"


def test_a_code_has_one_topic() -> None:
    codes = [code for several in TOPICS.values() for code in several]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("token is hf_AbCdEfGhIj", "hf_AbCdEfGhIj"),
        ("https://ann:pass123@hub.example/x", "pass123"),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        ('{"api_key": "q w\\"e", "b": 1}', "q w"),
        ("password: 'two words'", "two words"),
        ("vllm serve --api-key sesame --port 1", "sesame"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "AAAA"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA cut", "AAAA"),
        ("AWS AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret not in scrub(text)
    assert HIDDEN in scrub(text)


@pytest.mark.parametrize(
    "text", ["max_tokens: 4096", "the token was refused", '"tokens_total": 12.5', "secrets are well", "--port 8000"]
)
def test_what_is_none_stays(text: str) -> None:
    assert scrub(text) == text
