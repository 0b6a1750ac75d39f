"""What a check-up found: a code of the list below, how bad it is, what was seen, and what to do about it."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import groupby

import msgspec

TOPICS: Mapping[str, tuple[str, ...]] = {
    "console": ("console_version", "console_files"),
    "ssh": ("ssh_config", "ssh_keys", "ssh_agent", "ssh_certificate", "host_key"),
    "link": ("login", "way_in", "versions", "role", "clock_skew", "round_trip", "self_check"),
    "agent": (
        "agent_version", "agent_running", "agent_trouble", "state_directory", "disk_space", "socket_mode", "roles_file",
        "secret_modes", "audit_chain", "open_files",
    ),
    "service": (
        "isolation_tier", "cgroup", "systemd", "lingering", "after_boot", "root_rights", "time_sync",
    ),
    "models": ("model_directories", "model_disk", "model_read"),
    "network": ("instance_port", "fabric", "fabric_port", "locked_memory"),
    "gpus": (
        "driver", "driver_mismatch", "gpu_closed", "persistence_mode", "compute_mode", "mig_mode", "mps_daemon",
        "gpu_numa", "pcie_width", "xid_log",
    ),
    "doctor": ("check_hung", "check_failed"),
}  # fmt: skip
"""Each code below its topic, in the order in which people read them; docs/doctor.md explains every one."""

_TOPIC_OF = {code: topic for topic, codes in TOPICS.items() for code in codes}
_INDENT = 30
_LEAST = 30
"""Signs of a line that a text has at least, however narrow the terminal is."""
_ORDER = {topic: at for at, topic in enumerate(TOPICS)}


class Severity(StrEnum):
    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """`code` may be one that only a newer side knows. Warnings and problems come with a fix."""

    code: str
    severity: Severity
    seen: str
    fix: str = ""

    @property
    def topic(self) -> str:
        return _TOPIC_OF.get(self.code, "other")


def ok(code: str, seen: str) -> Finding:
    return Finding(code, Severity.OK, seen)


def info(code: str, seen: str, fix: str = "") -> Finding:
    return Finding(code, Severity.INFO, seen, fix)


def warning(code: str, seen: str, fix: str) -> Finding:
    return Finding(code, Severity.WARNING, seen, fix)


def problem(code: str, seen: str, fix: str) -> Finding:
    return Finding(code, Severity.PROBLEM, seen, fix)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By topic; what was found first stays first within one."""
    return sorted(findings, key=lambda one: _ORDER.get(one.topic, len(_ORDER)))


def has_problem(findings: Iterable[Finding]) -> bool:
    return any(one.severity is Severity.PROBLEM for one in findings)


def needs_something(one: Finding) -> bool:
    return one.severity in (Severity.WARNING, Severity.PROBLEM)


def lines(findings: Iterable[Finding], width: int | None = None) -> Iterator[str]:
    """For people: a heading a topic, a line a finding, the fix below it; a text goes on below after `width` signs."""
    for topic, found in groupby(ordered(findings), key=lambda one: one.topic):
        yield topic
        for one in found:
            seen, *more = _wrapped(one.seen, width)
            yield f"  {one.severity:<8} {one.code:<18} {seen}"
            more += [
                f"{'  ' if at else '→ '}{part}" for at, part in enumerate(_wrapped(one.fix, width) if one.fix else ())
            ]
            yield from (f"{'':{_INDENT}}{part}" for part in more)


def _wrapped(text: str, width: int | None) -> list[str]:
    return [text] if width is None else textwrap.wrap(text, max(_LEAST, width - _INDENT - 2)) or [""]


def in_short(findings: Iterable[Finding]) -> str:
    """`1 problem, 2 warnings`; `all well` without any."""
    found = [one.severity for one in findings]
    counts = [(found.count(Severity.PROBLEM), "problem"), (found.count(Severity.WARNING), "warning")]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count) or "all well"
