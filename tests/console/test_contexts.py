import json
import os
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import Yard, session_of
from console.cli.parser import run
from console.contexts import Context, ThemeName, load, opened
from console.screens.dialog import Dialog
from console.screens.session import Session
from console.theme import THEMES
from console.widgets.lines import Lines
from profiles.observed.status import Role
from profiles.text.document import FileError
from tests.console.terminal import Terminal
from tests.fakes.fleet import FakeOperations, filled

FILE = """\
gpuyard: 1
contexts:
  prod: {inventory: prod.yaml, theme: red, read_only: true}
  lab: {inventory: lab.yaml}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the operator's own contexts are read from."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = tmp_path / "gpuyard"
    directory.mkdir()
    (directory / "contexts.yaml").write_text(FILE)
    for name in ("prod", "lab"):
        (directory / f"{name}.yaml").write_text(f"gpuyard: 1\nnodes: {{{name}-1: {{address: 127.0.0.1, port: 9}}}}\n")
    return directory


async def give(pilot: Pilot[None], line: str) -> None:
    await pilot.press("colon")
    pilot.app.screen.query_one("#line", Input).value = line
    await pilot.press("enter")
    await pilot.pause()


def said(app: Yard, selector: str) -> str:
    return "\n".join("".join(text for text, _ in line) for line in app.screen.query_one(selector, Lines).lines)


def test_paths_begin_at_the_directory_of_the_file(mine: Path) -> None:
    known = load(mine / "contexts.yaml")
    assert known["prod"] == Context("prod", mine / "prod.yaml", ThemeName.RED, read_only=True)
    assert known["lab"] == Context("lab", mine / "lab.yaml", ThemeName.YARD, read_only=False)
    assert set(opened("lab", mine / "contexts.yaml").inventory.nodes) == {"lab-1"}
    assert load(mine / "none.yaml") == {}
    assert set(THEMES) == set(ThemeName)


@pytest.mark.parametrize(("text", "place", "complaint"), [
    ("contexts: {prod: {inventory: a, theme: pink}}", (1, 40), "pink"),
    ("contexts: {prod: {inventry: a}}", (1, 19), "unknown key `inventry`"),
    ("contexts: {'a b': {inventory: a}}", (1, 12), "`a b` cannot name a context"),
    ("gpuyard: 2\ncontexts: {}", (1, 10), "version 2"),
])  # fmt: skip
def test_a_mistake_is_refused_at_its_place(tmp_path: Path, text: str, place: tuple[int, int], complaint: str) -> None:
    path = tmp_path / "contexts.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as wrong:
        load(path)
    assert (wrong.value.line, wrong.value.column) == place
    assert complaint in wrong.value.message


async def test_a_context_is_chosen_and_refuses_every_change_whatever_the_role(mine: Path) -> None:
    store = filled()
    for view in store.nodes.values():
        view.role = Role.ADMIN
    operations = FakeOperations(store)
    context = load(mine / "contexts.yaml")["prod"]
    app = Yard(Session("fra", store, operations=operations, context=context))
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.theme == "red"
        assert "   prod   fra   READ-ONLY" in "".join(text for text, _ in app.session.head())
        await give(pilot, "stop rerank/0")
        assert "nothing can be changed: the context prod is read-only" in said(app, "#offers")
        await pilot.press("escape")
        await give(pilot, "ctx labb")
        assert "there is no context labb" in said(app, "#offers")
        assert "do you mean lab?" in said(app, "#offers")
        await pilot.press("escape")
        await give(pilot, "ctx")
        assert isinstance(app.screen, Dialog)
        assert "(1) prod  read-only: you are here" in said(app, "#said")
        await pilot.press("2")
        await pilot.pause()
    assert app.goes_to == opened("lab", mine / "contexts.yaml")
    assert operations.applied == []


async def test_a_console_that_was_started_read_only_stays_so_in_every_context(mine: Path) -> None:
    session = session_of(opened("lab", mine / "contexts.yaml"), read_only=True)
    assert session.why_read_only == "this console was started with --read-only"
    assert session_of(opened("lab", mine / "contexts.yaml")).why_read_only == ""


def test_commands_take_a_context_and_its_read_only(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ctx", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [(one["name"], one["read_only"]) for one in items] == [("prod", True), ("lab", False)]
    assert run(["--ctx", "prod", "stop", "chat/0", "--yes"]) == 1
    assert "the context prod is read-only" in capsys.readouterr().err
    assert run(["nodes", "--ctx", "prod", "-o", "name"]) == 3
    assert "prod-1: " in capsys.readouterr().err
    assert run(["nodes", "--ctx", "nowhere"]) == 64
    assert run(["nodes", "--ctx", "lab", "--inventory", "lab.yaml"]) == 64


def test_the_console_goes_from_one_to_the_other_in_the_same_terminal(mine: Path) -> None:
    with Terminal([sys.executable, "-m", "console", "--ctx", "lab"], {**os.environ, "TERM": "xterm-256color"}) as here:
        here.until(lambda: "lab" in here.lines()[0])
        here.press(":ctx prod\r")
        here.until(lambda: "prod" in here.lines()[0] and "READ-ONLY" in here.lines()[0])
        here.press("q")
        assert here.ended() == 0
