import os
from pathlib import Path

import pytest

from agents import state
from agents.errors import BadState
from agents.layout import Layout, find_socket, find_state
from profiles.model import Desired


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    assert state.load(path, Desired) is None
    state.save(path, Desired(generation=3, author="ann"))
    assert state.load(path, Desired) == Desired(generation=3, author="ann")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["desired.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b'{"version":1,"data":{"generation":"x"}}', b"\xff"])
def test_damaged_file_is_set_aside_and_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desired.json"
    for name in ("desired.json.corrupt", "desired.json.corrupt.2"):
        path.write_bytes(content)
        found = state.load(path, Desired)
        assert isinstance(found, state.Damaged)
        assert found.set_aside == tmp_path / name
        assert name in found.problem
        assert found.set_aside.read_bytes() == content
        assert not path.exists()


def test_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "desired.json"
    path.write_bytes(b'{"version":2,"data":[]}')
    with pytest.raises(BadState, match="version 2"):
        state.load(path, Desired)
    assert path.exists()


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    state.write_atomic(path, b"old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        state.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


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
