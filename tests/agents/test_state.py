import os
from pathlib import Path

import pytest

from agents import state
from agents.errors import BadState
from agents.layout import Layout, find_socket, find_state
from profiles.desired.model import Desired

FIRST, SECOND = Desired(generation=3, author="ann"), Desired(generation=4, author="bob", reason="because")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desired.json"


def test_round_trip(path: Path) -> None:
    assert state.load(path, Desired) is None
    state.save(path, FIRST)
    assert state.load(path, Desired) == FIRST
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in path.parent.iterdir()] == ["desired.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b'{"version":1,"data":{"generation":"x"}}', b"\xff"])
def test_damaged_file_is_set_aside_and_reported(path: Path, content: bytes) -> None:
    for name in ("desired.json.corrupt", "desired.json.corrupt.2"):
        path.write_bytes(content)
        found = state.load(path, Desired)
        assert isinstance(found, state.Damaged)
        assert found.previous is None
        assert found.set_aside == path.with_name(name)
        assert name in found.problem
        assert found.set_aside.read_bytes() == content
        assert not path.exists()


def test_a_flip_of_any_bit_is_seen_and_the_file_before_is_used(path: Path) -> None:
    state.save(path, FIRST)
    state.save(path, SECOND)
    content = path.read_bytes()
    for at in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            found = state.peek(path, Desired)
            assert found == SECOND or isinstance(found, state.Damaged)
            if at % 16 == 0 and bit == 0:
                found = state.load(path, Desired)
                assert found == SECOND or (isinstance(found, state.Damaged) and found.previous == FIRST)


def test_a_file_cut_anywhere_gives_the_one_before(path: Path) -> None:
    state.save(path, FIRST)
    state.save(path, SECOND)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        found = state.load(path, Desired)
        assert isinstance(found, state.Damaged)
        assert found.previous == FIRST


def test_a_missing_file_gives_the_one_before(path: Path) -> None:
    state.save(path, FIRST)
    state.save(path, SECOND)
    path.unlink()
    found = state.load(path, Desired)
    assert isinstance(found, state.Damaged)
    assert (found.previous, found.set_aside) == (FIRST, None)
    assert "desired.json is gone" in found.problem


def test_two_damaged_files_are_not_believed(path: Path) -> None:
    state.save(path, FIRST)
    state.save(path, SECOND)
    for file in (path, path.with_name("desired.json.prev")):
        file.write_bytes(file.read_bytes()[:-3])
    found = state.load(path, Desired)
    assert isinstance(found, state.Damaged)
    assert found.previous is None


def test_a_file_without_a_checksum_is_read(path: Path) -> None:
    path.write_bytes(b'{"version":1,"data":{"generation":3,"author":"ann"}}')
    assert state.load(path, Desired) == FIRST


@pytest.mark.parametrize("damage", [False, True])
def test_newer_version_is_left_alone(path: Path, damage: bool) -> None:
    """Also where it is the one before a damaged one: then nothing is renamed either."""
    newer = path.with_name("desired.json.prev") if damage else path
    newer.write_bytes(b'{"version":2,"data":[]}')
    if damage:
        path.write_bytes(b"{")
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(BadState, match="version 2"):
        state.load(path, Desired)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_failed_write_leaves_the_old_file_and_no_rest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write_atomic(path, b"old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        state.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in path.parent.iterdir()] == ["desired.json"]


def test_layout_names(tmp_path: Path) -> None:
    layout = Layout.find(state=tmp_path)
    assert layout.socket == tmp_path / "agent.sock"
    assert layout.instance("chat-70b/0").log(3) == tmp_path / "instances" / "chat-70b.0" / "log.3"
    for name in ("", "..", "../x", "a\0"):
        with pytest.raises(ValueError, match="not a name"):
            layout.instance(name)


def test_search(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "s"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    assert find_state(environ) in (tmp_path / "s" / "gpuyard", Path("/var/lib/gpuyard"))
    runtime = tmp_path / "r" / "gpuyard" / "agent.sock"
    assert find_socket(tmp_path, environ) != runtime
    runtime.parent.mkdir(parents=True)
    runtime.touch()
    assert find_socket(tmp_path, environ) in (runtime, Path("/run/gpuyard/agent.sock"))
