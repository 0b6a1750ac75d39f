"""The shell scripts that run on hosts, and the lines in which they answer.

The remote command is always `sh -s`; a script goes to its stdin, after the values it works with, each quoted. What
a login shell prints by itself is not taken for an answer: only lines that begin with `gpuyard:` count.
"""

import shlex
from collections.abc import Mapping
from importlib.resources import files

COMMAND = "sh -s"
MARK = "gpuyard:"


def script(name: str, values: Mapping[str, str] | None = None) -> bytes:
    """The text of `name`.sh with `values` as its variables."""
    lines = [f"{key}={shlex.quote(value)}" for key, value in (values or {}).items()]
    text = files("console.hosts").joinpath(f"{name}.sh").read_text("utf-8")
    return "\n".join([*lines, text]).encode()


def answers(output: bytes) -> list[tuple[str, str]]:
    """Key and value of each line that the script itself has said, in order."""
    lines = [line.partition(MARK)[2] for line in output.decode("utf-8", "replace").splitlines() if MARK in line]
    return [(key, value.strip()) for key, _, value in (line.partition(" ") for line in lines)]
