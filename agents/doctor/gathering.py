"""The files that help to understand a node, for a bundle: tails of logs, events, settings, without known secrets."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agents.doctor.subject import Subject
from agents.redaction import Redactor
from profiles.text.clean import clean
from profiles.text.scrub import scrub

TAIL_BYTES = 48 * 1024
TOTAL_BYTES = 640 * 1024
"""Of one node, as JSON: with the findings beside it, it fits a frame."""

_MACHINE = (
    "proc/version", "proc/cpuinfo", "proc/meminfo", "proc/loadavg", "proc/self/mountinfo", "proc/self/limits",
    "proc/self/cgroup", "proc/driver/nvidia/version", "etc/os-release",
)  # fmt: skip


def gather(subject: Subject, redactor: Redactor) -> dict[str, str]:
    """Name in the bundle → text. What cannot be read, or has no room left, is left out; instances come last."""
    found: dict[str, str] = {}
    left_bytes = TOTAL_BYTES
    for name, path in _files(subject):
        text = scrub(_tail(path, redactor))
        taken_bytes = len(msgspec.json.encode(text))
        if text and taken_bytes <= left_bytes:
            found[name] = text
            left_bytes -= taken_bytes
    return found


def _files(subject: Subject) -> Iterator[tuple[str, Path]]:
    place = subject.layout
    yield from (("agent.log", place.log), ("events.jsonl", place.events), ("desired.json", place.desired))
    if subject.roles_file:
        yield "roles.toml", subject.roles_file
    for name in _MACHINE:
        yield f"machine/{name.replace('/', '-')}", subject.root / name
    for directory in sorted(place.instances.glob("*")):
        for kept in ("spec.json", "handle.json", "exit.json", "crashes.json"):
            yield f"instances/{directory.name}/{kept}", directory / kept
        for log in sorted(directory.glob("log.[0-9]*"))[-1:]:
            yield f"instances/{directory.name}/{log.name}", log


def _tail(path: Path, redactor: Redactor) -> str:
    """The last bytes, and no line that is cut: a secret in it might not be known by its half."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size  # 0 for files of /proc
            file.seek(max(0, size - TAIL_BYTES))
            content = file.read(TAIL_BYTES)
    except OSError:
        return ""
    if size > TAIL_BYTES:
        content = content.partition(b"\n")[2]
    return clean(redactor.text(content.decode("utf-8", "replace")))
