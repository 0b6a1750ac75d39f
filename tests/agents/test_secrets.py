"""Secrets: read from files that are ours alone, and taken out of every form in which an engine may print them."""

import base64
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.instances.logtail import last_lines, telling_line
from agents.instances.secrets import MAX_BYTES, Secrets, SecretUnusable, read_secret
from agents.layout import Layout
from agents.processes.spawn import Launch
from agents.redaction import Redactor

CANARY = 'hf_"can/ary"+0123'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "state", tmp_path / "state" / "agent.sock")
    found.make()
    return found


def write(layout: Layout, value: str | bytes = CANARY + "\n", mode: int = 0o600) -> Path:
    path = layout.secrets / "hf-token"
    path.write_bytes(value.encode() if isinstance(value, str) else value)
    path.chmod(mode)
    return path


def test_the_value_is_the_file_without_its_last_line_end(layout: Layout) -> None:
    write(layout)
    assert read_secret(layout, "hf-token") == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(layout: Layout, mode: int) -> None:
    write(layout, mode=mode)
    with pytest.raises(SecretUnusable) as refused:
        read_secret(layout, "hf-token")
    assert refused.value.code == "secret_open"
    assert CANARY not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(layout: Layout) -> None:
    os.chown(write(layout), 1, 1)
    with pytest.raises(SecretUnusable, match="others can read"):
        read_secret(layout, "hf-token")


@pytest.mark.parametrize("kind", ["missing", "symlink", "fifo", "directory", "binary", "long", "outside"])
def test_what_is_no_secret_is_missing(layout: Layout, kind: str, tmp_path: Path) -> None:
    path, name = layout.secrets / "hf-token", "hf-token"
    match kind:
        case "symlink":
            write(layout).rename(tmp_path / "real")
            path.symlink_to(tmp_path / "real")
        case "fifo":
            os.mkfifo(path, 0o600)
        case "directory":
            path.mkdir(0o700)
        case "binary":
            write(layout, b"\xff\xfe")
        case "long":
            write(layout, "x" * (MAX_BYTES + 1))
        case "outside":
            name = "../desired.json"
    with pytest.raises(SecretUnusable) as refused:
        read_secret(layout, name)
    assert refused.value.code == "secret_missing"
    assert refused.value.__cause__ is None


def test_a_changed_value_is_known_beside_the_one_before(layout: Layout) -> None:
    path = write(layout)
    secrets = Secrets(layout.secrets)
    path.write_text("the next one")
    assert secrets.redactor().text(f"{CANARY} the next one") == "•••(hf-token) •••(hf-token)"
    path.unlink()
    assert secrets.redactor().text(CANARY) == "•••(hf-token)"


def test_what_an_engine_was_started_with_is_known_to_the_next_agent(layout: Layout) -> None:
    argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(argv, env={"HF_TOKEN": CANARY}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as engine:
        assert engine.stdout
        engine.stdout.readline()
        secrets = Secrets(layout.secrets)
        secrets.remember_engine(engine.pid, {"HF_TOKEN": "hf-token"})
        assert secrets.redactor().text(CANARY) == "•••(hf-token)"
        engine.kill()


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        json.dumps({"token": CANARY}),
        "https://hub/?token=" + quote(CANARY, safe=""),
        "Authorization: Basic " + base64.b64encode(CANARY.encode()).decode(),
    ],
)
def test_every_form_is_found(form: str) -> None:
    text = Redactor({"hf-token": [CANARY]}).text(f"a {form} b")
    assert "•••(hf-token)" in text
    assert "can/ary" not in text
    assert "can%2Fary" not in text
    assert base64.b64encode(CANARY.encode()).decode()[:-3] not in text


def test_a_key_of_several_lines_is_found_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQAB\n-----END KEY-----"
    assert "AAAAB3" not in Redactor({"key": [key]}).text("12:00 AAAAB3NzaC1yc2EAAAADAQAB")


def test_of_two_the_longer_is_found() -> None:
    assert Redactor({"a": ["token"], "b": ["token-long"]}).text("token-long token") == "•••(b) •••(a)"


@given(st.lists(st.sampled_from(["secret", "sec", "ret", "s", " ", "ü", "secretsecret"]), max_size=12), st.data())
def test_no_cut_shows_a_secret_and_none_hides_anything_else(words: list[str], data: st.DataObject) -> None:
    redactor = Redactor({"x": ["secret"]})
    whole = "".join(words).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    edges = [0, *cuts, len(whole)]
    found = b""
    for start, end in pairwise(edges):
        found += redactor.piece(whole[max(0, start - 5) : start], whole[start:end], whole[end : end + 5])
    assert found == "".join(words).replace("secret", "•••(x)").encode()


def test_the_telling_line_of_a_log_holds_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "log.1"
    log.write_text("x" * 70_000 + f" {CANARY}\n" + "ok\n" + "y" * 295 + f" error: {CANARY}\n")
    line = telling_line(last_lines(log, Redactor({"hf-token": [CANARY]})))
    assert "can/ary" not in line
    log.write_text(f"fatal error: bad token {CANARY}")
    assert telling_line(last_lines(log, Redactor({"hf-token": [CANARY]}))) == "fatal error: bad token •••(hf-token)"
    log.write_text(f"fatal error: {CANARY[:-2]}")
    assert telling_line(last_lines(log, Redactor({"hf-token": [CANARY]}))) == "fatal error:"


def test_what_is_printed_of_a_launch_holds_no_secret() -> None:
    launch = Launch(argv=("vllm",), env={"HF_TOKEN": CANARY}, incarnation=1, port=8000)
    assert CANARY not in f"{launch} {launch!r}"
    assert "vllm" in repr(launch)
