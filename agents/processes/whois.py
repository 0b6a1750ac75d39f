"""Who a process is, for people, from /proc. What is not to be read, or is gone, stays empty."""

import contextlib
import os
import pwd
import re
import time
from pathlib import Path

from agents.processes import tree

MAX_COMMAND_CHARS = 1000
HIDDEN = "•••"

_CONTAINER = re.compile(r"[0-9a-f]{64}")
"""Docker, containerd, CRI-O and Podman all name a container's group after its id."""

_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|credential|auth")
_COUNT = re.compile(r"\d{1,7}(\.\d+)?")
"""Engines count tokens of text under the same word: `--max-num-batched-tokens 8192`."""

_SECRET_VALUE = re.compile(r"\bhf_\w{8,}|\bsk-[\w-]{8,}|(?<=://)[^/@\s]+(?=@)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def name(pid: int) -> str:
    """The program's, which it may have chosen itself."""
    return _printable(_read(pid, "comm"))


def user(pid: int) -> str:
    """Of the effective uid; a number that no account has stays a number."""
    line = next((line for line in _read(pid, "status").splitlines() if line.startswith("Uid:")), "")
    if not line:
        return ""
    uid = int(line.split()[2])
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def container(pid: int) -> str:
    """The first twelve digits of its container's id, as the container's own tools show it."""
    found = _CONTAINER.search(_read(pid, "cgroup"))
    return found[0][:12] if found else ""


def command(pid: int) -> str:
    """Its arguments, without those that may be secret."""
    argv = _read(pid, "cmdline").split("\0")
    return " ".join(map(_printable, without_secrets(argv))).strip()[:MAX_COMMAND_CHARS]


def age_s(one: tree.Stat) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - one.start_ticks / os.sysconf("SC_CLK_TCK")


def without_secrets(argv: list[str]) -> list[str]:
    """Values of options and variables whose name speaks of a secret, and values that look like one."""
    shown: list[str] = []
    before = ""
    for word in argv:
        option, equals, value = word.partition("=")
        telling = bool(_SECRET_NAME.search(option))
        if before and not word.startswith("-"):
            shown.append(_hidden(before, word))
        elif equals and telling:
            shown.append(f"{option}={_hidden(option, value)}")
        else:
            shown.append(_SECRET_VALUE.sub(HIDDEN, word))
        before = option if telling and not equals and word.startswith("-") else ""
    return shown


def _hidden(option: str, value: str) -> str:
    counts = option.lower().endswith(("token", "tokens")) and _COUNT.fullmatch(value)
    return value if counts else HIDDEN


def _read(pid: int, file: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_bytes().decode("utf-8", "replace")
    return ""


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()
