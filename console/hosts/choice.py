"""What to put on a host and how to keep it running there: a decision from facts, without any I/O.

Facts ─choose─► Choice   form: an environment of the host's Python, else a bundle that brings its own
                         service: system unit (root), user unit (where it outlives the login), else detached
"""

from typing import Literal

import msgspec

from console.hosts.facts import Facts, Libc, Python
from profiles.observed.status import Reason

OLDEST_PYTHON = (3, 11)
NEEDS_MIB = 32
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

Service = Literal["system unit", "user unit", "detached"]


class Target(msgspec.Struct, frozen=True):
    """What wheels must fit. `abi` is as in their names, `cp311`."""

    arch: str
    libc: Libc
    abi: str

    @property
    def python(self) -> str:
        """`3.11` for `cp311` and `cp311t`."""
        digits = self.abi.removeprefix("cp").rstrip("t")
        return f"{digits[0]}.{digits[1:]}"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """`python` None means a bundle. Paths are absolute, on the host."""

    target: Target
    python: Python | None
    service: Service
    root: str
    program: str
    state: str
    after_boot: str
    """What starts the agent after a boot; "" when nothing does."""
    notes: tuple[str, ...] = ()


def choose(facts: Facts, *, at_boot: bool = False) -> Choice | Reason:
    """`at_boot` allows to let the login's services linger, or to write a line into its crontab."""
    if facts.system != "Linux":
        return Reason("wrong_system", f"it runs {facts.system}", "gpuyard's agent needs Linux")
    arch = ARCHITECTURES.get(facts.arch)
    if arch is None:
        known = ", ".join(sorted(set(ARCHITECTURES.values())))
        return Reason("wrong_arch", f"its processor is {facts.arch}", f"gpuyard's agent runs on {known}")
    if facts.libc is None:
        return Reason("no_libc", "its C library is neither glibc nor musl", "install gpuyard-agent there by hand")
    if facts.missing:
        words = " and ".join(facts.missing)
        return Reason("no_tools", f"it has no {words}", f"install {words} there")
    if not facts.writable:
        return Reason("not_writable", f"{_root(facts)} cannot be written", "see who owns it, and how it is mounted")
    if facts.free_mib is not None and facts.free_mib < NEEDS_MIB:
        return Reason("disk_full", f"{facts.free_mib} MiB are free for {_root(facts)}", f"make {NEEDS_MIB} MiB free")
    python = next((found for found in facts.pythons if found.version >= OLDEST_PYTHON and found.abi), None)
    service, after_boot = _service(facts, at_boot)
    return Choice(
        target=Target(arch, facts.libc, python.abi if python else ""),
        python=python,
        service=service,
        root=_root(facts),
        program="/usr/local/bin/gpuyard-agent" if facts.is_root else f"{facts.home}/.local/bin/gpuyard-agent",
        state="/var/lib/gpuyard" if facts.is_root and not facts.state_exists else facts.state,
        after_boot=after_boot,
        notes=tuple(_notes(facts, service, after_boot)),
    )


def _root(facts: Facts) -> str:
    return "/opt/gpuyard" if facts.is_root else f"{facts.home}/.local/share/gpuyard"


def _service(facts: Facts, at_boot: bool) -> tuple[Service, str]:
    """A user's services end with his last login unless they linger, and engines with them: then rather none."""
    if facts.is_root and "system" in facts.systemd:
        return "system unit", "systemd"
    if not facts.is_root and "user" in facts.systemd and (facts.lingers or at_boot):
        return "user unit", "linger"
    return "detached", "cron" if facts.at_boot or (at_boot and facts.has_cron) else ""


def _notes(facts: Facts, service: Service, after_boot: str) -> list[str]:
    notes = []
    if not after_boot:
        able = facts.has_cron or "user" in facts.systemd
        notes.append("not restarted after boot" + (": `--at-boot` changes that" if able else ""))
    if facts.filesystem.startswith(("nfs", "cifs", "smb", "lustre", "gpfs", "fuse")):
        notes.append(f"its home is on {facts.filesystem}, where locks may not hold")
    if facts.driver and not facts.nvml:
        notes.append("the NVIDIA driver has no NVML library here: no GPU can be read")
    return notes
