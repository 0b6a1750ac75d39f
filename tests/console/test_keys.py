import re
from pathlib import Path

import pytest

from console.app import Yard
from console.cli.keys import listed
from console.cli.parser import run
from console.keys import keymap
from console.keys.catalogue import screens
from console.screens.instances import InstancesScreen
from console.screens.session import Session
from profiles.text.document import FileError
from tests.fakes.fleet import FakeOperations, filled

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "keys.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
ROW = re.compile(r"^\| `([a-z_.]+)` \| (.*?) \| (.*) \| ([^|]*) \|$", re.MULTILINE)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the operator's own keys are read from."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "gpuyard").mkdir()
    return tmp_path / "gpuyard" / "keys.yaml"


def drawn(app: Yard, selector: str) -> str:
    widget = app.screen.query_one(selector)
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


def yard() -> Yard:
    store = filled()
    return Yard(Session("prod", store, operations=FakeOperations(store)))


def test_every_binding_has_an_id_and_words_and_its_row_in_the_docs() -> None:
    assert [(screen.name, one) for screen in screens() for one in screen.bindings if not (one.id and one.text)] == []
    rows = {match[1]: (match[2], match[3]) for match in ROW.finditer(PAGE)}
    wanted = {one.id: (" ".join(f"`{key}`" for key in one.keys), one.text) for one in listed({})}
    assert rows == wanted, "docs/keys.md: one row an id"


def test_every_binding_has_its_command_or_says_why_not() -> None:
    """The command is one that docs/commands.md has, and that the command line knows."""
    cells = {match[1]: match[4] for match in ROW.finditer(PAGE)}
    commands = {name: re.findall(r"`gpuyard ([^`]+)`", cell) for name, cell in cells.items()}
    assert [name for name, cell in cells.items() if not commands[name] and not cell.startswith("none: ")] == []
    for command in sorted({command for found in commands.values() for command in found}):
        verb, *options = re.split(r" (?=--)", command)
        assert f"`gpuyard {verb}" in COMMANDS or f"`{verb}" in COMMANDS, command
        assert [option for option in options if option not in COMMANDS] == [], command
        assert run([*verb.split(), "--help"]) == 0, command


async def test_a_key_of_ones_own_takes_the_place_of_the_one_that_ships(mine: Path) -> None:
    mine.write_text('gpuyard: 1\nkeys: {go.instances: "f5", instance.act: "X,f2", help: "H"}\n')
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        assert not isinstance(app.screen, InstancesScreen)
        await pilot.press("f5")
        assert isinstance(app.screen, InstancesScreen)
        assert "X actions" in drawn(app, "#foot")
        assert "H help" in drawn(app, "#foot")
        await pilot.press("x")
        assert isinstance(app.screen, InstancesScreen)
        await pilot.press("H")
        await pilot.pause()
        assert "X f2" in drawn(app, "#detail").replace("F2", "f2")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("gpuyard: 1\nkeys: {screen.fliter: f5}", "2:8", "do you mean `screen.filter`"),
        ("gpuyard: 1\nkeys:\n  help: hyper+x", "3:9", "`hyper+x` is no key"),
        ("gpuyard: 1\nkeys:\n  help: 'a,,b'", "3:9", "an empty key"),
        ("gpuyard: 1\nkeys:\n  help: 5", "3:9", "put it in quotes"),
        ("gpuyard: 2", "1:10", "version 2"),
        ("keys: [", "2:1", "not valid YAML"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(mine: Path, text: str, place: str, said: str) -> None:
    mine.write_text(text)
    with pytest.raises(FileError) as caught:
        keymap.load(mine)
    assert f"keys.yaml:{place}: " in str(caught.value)
    assert said in f"{caught.value} {caught.value.hint}"


async def test_with_a_bad_file_the_console_opens_with_the_keys_that_ship_and_says_why(mine: Path) -> None:
    mine.write_text("gpuyard: 1\nkeys: {hepl: f5}")
    app = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert any("keys.yaml:2:8: no binding is called `hepl`" in note.message for note in app._notifications)
        await pilot.press("5")
        assert isinstance(app.screen, InstancesScreen)


def test_conflicts_are_named_and_what_ships_has_none(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "--json"]) == 0
    assert '"id": "rows.down"' in capsys.readouterr().out
    mine.write_text("gpuyard: 1\nkeys: {instance.act: j}")
    assert run(["keys"]) == 1
    said = capsys.readouterr()
    assert "j is both `instance.act` and `rows.down` on instances" in said.err
    assert re.search(r"^j +instance\.act ", said.out, re.MULTILINE)
    mine.write_text("gpuyard: 1\nkeys: {instance.act: j, rows.down: 'J,down'}")
    assert run(["keys"]) == 0, "who gave the key away does not stand in the way"
