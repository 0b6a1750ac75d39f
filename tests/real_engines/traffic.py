"""Requests to an engine on loopback, and waiting for what they bring about."""

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import TypeVar

T = TypeVar("T")


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and text; status 0 while nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


def stream(port: int, model: str, tokens: int) -> int:
    """Ask for a completion as a stream; the number of data events that came before its end."""
    body = {"model": model, "prompt": "once upon a time", "max_tokens": tokens, "stream": True, "ignore_eos": True}
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        lines = answer.read().decode(errors="replace").splitlines()
        assert answer.status == 200, lines
    finally:
        connection.close()
    assert "data: [DONE]" in lines
    return sum(line.startswith("data: {") for line in lines)


def complete(port: int, model: str, tokens: int) -> int:
    """The status of a completion that is not streamed; 0 when it was cut off."""
    body = {"model": model, "prompt": "once upon a time", "max_tokens": tokens, "ignore_eos": True}
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def until(ask: Callable[[], T | None], limit_s: float, what: str) -> T:
    """The first true answer. Fails with `what` once the limit has passed."""
    deadline = time.monotonic() + limit_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.1)
    return answer
