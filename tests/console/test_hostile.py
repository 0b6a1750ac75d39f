"""Hostile text in every field of the protocol, from a real process, on a real terminal: nothing of it is obeyed."""

import os
import re
import sys
from pathlib import Path

import pytest

from console.cli.list_words import LISTS
from console.screens.places import PLACES
from tests.console.terminal import Terminal, sequences
from tests.fakes.hostile import LINK, MARK, PLAIN

ROOT = Path(__file__).parents[2]

# What Textual 8.2.8 itself sends (drivers/linux_driver.py, app.py): colours, cursor, modes, its questions, the pointer.
OURS = re.compile(
    r"\x1b\[(\d{1,3}(;\d{1,3})*)?m|\x1b\[\d{0,3}(;\d{1,3})?H"
    r"|\x1b\[\?(7|25|1000|1003|1004|1006|1015|1016|1049|2004|2026|2048)[hl]|\x1b\[\?(2026|2048)\$p|\x1b\[[<>]\d*u|\x1b\]22;[a-z-]+\x07|\r|\n"
)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    agent = tmp_path / "agent"
    agent.write_text(f"#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.fakes.hostile\n")
    agent.chmod(0o755)
    config = tmp_path / "gpuyard"
    config.mkdir()
    (config / "inventory.yaml").write_text(f"gpuyard: 1\nnodes:\n  here: {{local: true, agent: {agent}}}\n")
    # Our own bell is off: each that is heard would be one of theirs.
    (config / "alerts.yaml").write_text("gpuyard: 1\nnotify: {bell: false}\n")
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }


def obeyed(said: bytes) -> list[str]:
    """What a terminal would obey and a console would not have sent by itself."""
    text = said.decode("utf-8", "backslashreplace")
    return [one for one in sequences(text) if not OURS.fullmatch(one) or MARK in one]


VISITS = (
    *((place.key, f" {place.label}  ") for place in PLACES),
    ("1\r", " services ›"),
    ("5/click\r\r", " here ›"),
    ("l", "› log "),
    ("?", " help "),
)
"""Keys, and how the bottom line looks once they were obeyed."""

CHANGE = ((f"5/{PLAIN}\r", f" {PLAIN} "), ("x", "nothing"), ("2", "leave it"), ("y", "refused"))
"""Keys, and what is on the screen once they were obeyed: the refusal is as hostile as the rest."""


def test_no_screen_lets_it_through(env: dict[str, str]) -> None:
    with Terminal([sys.executable, "-m", "console"], env) as terminal:
        terminal.until(lambda: "1/1 up" in terminal.text())
        for keys, shown in VISITS:
            terminal.press(keys)
            terminal.until(lambda shown=shown: shown in terminal.lines()[-1])
            terminal.press("G")
        for keys, shown in CHANGE:
            terminal.press_until(keys, shown)
        terminal.press("l")
        terminal.until(lambda: LINK in terminal.text())
        terminal.press("q")
        assert terminal.ended() == 0
        assert obeyed(terminal.said) == []


@pytest.mark.parametrize("words", [*([kind] for kind in LISTS), ["instances", "-o", "wide"], ["events", "--json"],
                                   ["instances", "-o", "name"], ["logs", PLAIN], ["logs", "0/0"],
                                   ["stop", PLAIN, "--yes"]])  # fmt: skip
def test_no_verb_lets_it_through(env: dict[str, str], words: list[str]) -> None:
    with Terminal([sys.executable, "-m", "console", *words], env, columns=200) as terminal:
        terminal.ended()
        assert MARK in terminal.said.decode()
        assert "Traceback" not in terminal.said.decode()
        assert [one for one in sequences(terminal.said.decode()) if one not in ("\r", "\n", "\t")] == []
