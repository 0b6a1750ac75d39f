"""The driver and its GPUs: do kernel module and library fit, and is each GPU set up for engines that come and go?

/proc/driver/nvidia/version   the kernel module that is loaded        sysfs   GPUs on the bus, links, NUMA nodes
agents.gpus.facts             what the library says, in this child     /proc   an MPS daemon
/dev/kmsg                     may the agent read what the kernel says of GPUs?
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from agents.doctor.subject import Subject
from agents.gpus.facts import DriverFacts, GpuFacts
from agents.gpus.nvml import MISMATCH, NO_DRIVER, NO_LIBRARY
from profiles.observed.finding import Finding, info, ok, problem, warning

_MODULE = re.compile(r"Kernel Module(?: for \S+)?\s+([0-9.]+)")
_NVIDIA = "0x10de"
_DISPLAY = "0x03"
"""The first digits of a PCI class: display controllers, 3D ones among them."""

_MPS_DAEMON = "nvidia-cuda-mps"
"""As `comm` cuts the name of nvidia-cuda-mps-control (15 bytes, proc(5))."""

_EXCLUSIVE_THREAD, _PROHIBITED, _EXCLUSIVE = 1, 2, 3
"""Compute modes of nvml.h."""


def look(subject: Subject) -> Iterator[Finding]:
    from agents.gpus import facts

    module, on_bus = loaded_module(subject), devices(subject)
    if not on_bus and not module:
        found = facts.read()
        if found.refused in (NO_DRIVER, NO_LIBRARY):
            yield info("driver", "no NVIDIA GPU and no NVIDIA driver on this machine")
            return
    else:
        found = facts.read()
    yield from judge_driver(found, module, len(on_bus))
    daemon = mps_daemon(subject)
    for gpu in found.gpus:
        yield from judge_gpu(gpu, mps_runs=daemon is not None)
        yield from _bus(subject, gpu)
    if found.gpus:
        yield _mps(subject, daemon)
        yield xid_log(subject)


def loaded_module(subject: Subject) -> str:
    """The version of the kernel module; "" where none is loaded."""
    try:
        found = _MODULE.search((subject.root / "proc/driver/nvidia/version").read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def devices(subject: Subject) -> list[Path]:
    """GPUs of NVIDIA on the PCI bus, driver or not."""
    return [
        device
        for device in sorted((subject.root / "sys/bus/pci/devices").glob("*"))
        if _read(device / "vendor") == _NVIDIA and _read(device / "class").startswith(_DISPLAY)
    ]


def judge_driver(found: DriverFacts, module: str, on_bus: int) -> Iterator[Finding]:
    """`module` is the version of what the kernel has loaded, `on_bus` how many GPUs the PCI bus has."""
    library = found.library
    if found.refused == MISMATCH or (module and library and module != library):
        text = f"the kernel has the module {module or 'of another version'}, the library is {library or 'another'}"
        fix = "the driver was upgraded under a running machine: reload the modules with no GPU in use, or reboot"
        yield problem("driver_mismatch", text, fix)
    elif found.refused == NO_LIBRARY:
        text = f"no libnvidia-ml.so.1{f', though module {module} is loaded' if module else ''}"
        yield problem(
            "driver", text, "install the driver's libraries; in a container, give it the `utility` capability"
        )
    elif found.refused == NO_DRIVER:
        text = f"{on_bus} NVIDIA GPUs on the bus, and the driver is not loaded"
        yield problem("driver", text, "`modprobe nvidia`; where it fails, see `dmesg` and the driver's packages (DKMS)")
    elif found.refused is not None:
        yield problem("driver", f"NVML cannot be used: {found.why}", "see `nvidia-smi` and `dmesg` on the host")
    else:
        yield ok("driver", f"driver {found.driver or module}, CUDA {found.cuda or 'unknown'}, {len(found.gpus)} GPUs")
    for index, why in found.closed.items():
        fix = "see `dmesg` for Xid lines; it may need a reset, power, or the rights on /dev/nvidia*"
        yield problem("gpu_closed", f"GPU {index} cannot be opened: {why}", fix)
    lacking = on_bus - len(found.gpus) - len(found.closed)
    if found.refused is None and lacking > 0:
        fix = "see `dmesg`: it may have fallen off the bus, or be bound to another driver (vfio)"
        yield warning("gpu_closed", f"the bus has {on_bus} NVIDIA GPUs, the driver {lacking} fewer", fix)


def judge_gpu(gpu: GpuFacts, *, mps_runs: bool) -> Iterator[Finding]:
    name = f"GPU {gpu.index} ({gpu.name})"
    if gpu.persistence is False:
        fix = (
            "run nvidia-persistenced, or `nvidia-smi -pm 1`: without it each first use initialises the GPU for seconds"
        )
        yield warning("persistence_mode", f"{name}: persistence mode is off", fix)
    elif gpu.persistence:
        yield ok("persistence_mode", f"{name}: on")
    if gpu.mig_pending is not None and gpu.mig_pending != gpu.mig:
        text = f"{name}: MIG is {_on(gpu.mig)} and will be {_on(gpu.mig_pending)} after a reset"
        yield warning("mig_mode", text, "stop what runs there and reset it, or reboot; `nvidia-smi -mig` takes it back")
    elif gpu.mig is not None:
        yield info("mig_mode", f"{name}: MIG is {_on(gpu.mig)}")
    if gpu.compute_mode == _PROHIBITED:
        fix = f"`nvidia-smi -i {gpu.index} -c DEFAULT`"
        yield problem("compute_mode", f"{name}: its compute mode lets nobody compute", fix)
    elif gpu.compute_mode in (_EXCLUSIVE, _EXCLUSIVE_THREAD) and not mps_runs:
        fix = f"`nvidia-smi -i {gpu.index} -c DEFAULT`, or run an MPS daemon"
        yield warning("compute_mode", f"{name}: its compute mode lets one process in, and no MPS daemon runs", fix)


def _on(state: bool | None) -> str:
    return "on" if state else "off"


def _bus(subject: Subject, gpu: GpuFacts) -> Iterator[Finding]:
    device = subject.root / "sys/bus/pci/devices" / gpu.bus
    if not gpu.bus or not device.is_dir():
        return
    width, most = _read(device / "current_link_width"), _read(device / "max_link_width")
    if width.isdecimal() and most.isdecimal() and 0 < int(width) < int(most):
        fix = "see its slot and riser; models load and tensors move that much slower"
        yield warning("pcie_width", f"GPU {gpu.index}: PCIe ×{width} of ×{most}", fix)
    nodes = list((subject.root / "sys/devices/system/node").glob("node[0-9]*"))
    node = _read(device / "numa_node")
    if len(nodes) > 1 and node == "-1":
        fix = "the firmware does not say: set NUMA per socket there, or give `resources: {cpus: …}` by hand"
        yield info("gpu_numa", f"GPU {gpu.index}: which of {len(nodes)} NUMA nodes it is at is unknown", fix)
    elif len(nodes) > 1 and node:
        yield info("gpu_numa", f"GPU {gpu.index} is at NUMA node {node} of {len(nodes)}")


def mps_daemon(subject: Subject) -> int | None:
    """The pid of an MPS control daemon, None where there is none."""
    for comm in (subject.root / "proc").glob("[0-9]*/comm"):
        if _read(comm) == _MPS_DAEMON:
            return int(comm.parent.name)
    return None


def _mps(subject: Subject, daemon: int | None) -> Finding:
    if daemon is not None:
        return info("mps_daemon", f"an MPS daemon runs (pid {daemon})")
    given = os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps"
    pipes = subject.root / given.lstrip("/")
    if (pipes / "control").exists():
        fix = f"start nvidia-cuda-mps-control, or remove {given}: engines that find it may wait for it"
        return warning("mps_daemon", f"{given} is there, but no MPS daemon runs", fix)
    return info("mps_daemon", "no MPS daemon runs")


def xid_log(subject: Subject) -> Finding:
    """The agent is the second witness of XIDs only where it may read the kernel's log."""
    try:
        os.close(os.open(subject.root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        text = (
            f"the kernel's log cannot be read ({error.strerror}): XIDs that the driver cannot tell any more are missed"
        )
        fix = "`sysctl kernel.dmesg_restrict=0`, or `AmbientCapabilities=CAP_SYSLOG` in the agent's unit"
        return info("xid_log", text, fix)
    return ok("xid_log", "XIDs are heard from the driver and from the kernel's log")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
