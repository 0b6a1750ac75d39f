"""InfiniBand and RoCE ports, from sysfs (Documentation/ABI/stable/sysfs-class-infiniband of the Linux kernel)."""

import resource
from collections.abc import Iterator
from pathlib import Path

from agents.doctor.subject import Subject
from profiles.observed.finding import Finding, info, ok, warning

_STATE_HINTS = {
    "INIT": "the link is up, but no subnet manager has given it an address: see that opensm or the switch's runs",
    "ARMED": "the subnet manager has not finished with it: see its log",
}


def look(subject: Subject) -> Iterator[Finding]:
    devices = sorted((subject.root / "sys/class/infiniband").glob("*"))
    if not devices:
        yield info("fabric", "no InfiniBand or RoCE device")
        return
    yield info("fabric", f"devices: {', '.join(device.name for device in devices)}")
    for device in devices:
        for port in sorted(device.glob("ports/*"), key=lambda one: int(one.name)):
            yield _port(device, port)
    yield locked_memory(resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])


def _port(device: Path, port: Path) -> Finding:
    """`state` reads as `4: ACTIVE`, `rate` as `400 Gb/sec (4X NDR)`."""
    state = _read(port / "state").partition(": ")[2] or "unknown"
    layer = _read(port / "link_layer")
    kind = "RoCE" if layer == "Ethernet" else layer or "unknown link"
    text = f"{device.name} port {port.name}: {state}, {kind}, {_read(port / 'rate') or 'rate unknown'}"
    if state == "ACTIVE":
        return ok("fabric_port", text)
    if state in _STATE_HINTS:
        return warning("fabric_port", text, _STATE_HINTS[state])
    if state == "DOWN":
        return info("fabric_port", text, "where it should be connected: see its cable, the switch, and `ip link`")
    return warning("fabric_port", text, "see `ibstat` and the kernel log")


def locked_memory(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY:
        return ok("locked_memory", "memory may be locked without limit, as RDMA needs it")
    fix = "`LimitMEMLOCK=infinity` in the agent's unit, or limits.conf: RDMA between engines fails below it"
    return warning("locked_memory", f"only {limit // 1024} KiB of memory may be locked", fix)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
