"""Each call, carried out by whoever can: NVML, nvidia-smi for what NVML has no call for, or a signal."""

import signal
import subprocess
from pathlib import Path

import msgspec

from agents.gpus import migsurvey, partitioning
from agents.gpus.migsurvey import DriverRefused
from agents.gpus.partitioning import NvmlRefused, opened
from agents.privilege.answers import Answer, Done, Failed, Looked
from agents.privilege.calls import (
    AnyCall,
    CreateGpuInstance,
    DestroyGpuInstance,
    Ending,
    LookAtMig,
    ResetGpu,
    SetComputeMode,
    SetMigMode,
    SetPersistence,
    SetTimeslice,
    SignalProcess,
)
from agents.processes import tree
from engines.devices import Timeslice

NVIDIA_SMI = Path("/usr/bin/nvidia-smi")
"""Where the driver's packages put it; root follows nobody's PATH."""

SMI_LIMIT_S = 60.0
_SIGNALS = {Ending.TERM: signal.SIGTERM, Ending.KILL: signal.SIGKILL}


def carry_out(call: AnyCall) -> Answer | Failed:
    """Raises nothing that a driver or a process may cause."""
    try:
        match call:
            case SetTimeslice(gpu=gpu, to=to):
                return _smi("compute-policy", "-i", gpu, f"--set-timeslice={list(Timeslice).index(to)}")
            case ResetGpu(gpu=gpu):
                return _smi("--gpu-reset", "-i", gpu)
            case LookAtMig(gpu=gpu):
                return Looked(survey=msgspec.Raw(msgspec.json.encode(migsurvey.look(gpu))))
        with opened():
            return _with_driver(call)
    except (NvmlRefused, DriverRefused) as refused:
        return Failed(text=str(refused), nvml=refused.code)
    except OSError as error:
        return Failed(text=str(error))


def _with_driver(call: AnyCall) -> Answer | Failed:
    """Raises OSError, and what `opened` makes an NvmlRefused of."""
    match call:
        case SetMigMode():
            return partitioning.set_mig_mode(call)
        case CreateGpuInstance():
            return partitioning.create(call)
        case DestroyGpuInstance():
            return partitioning.destroy(call)
        case SetPersistence():
            return partitioning.set_persistence(call)
        case SetComputeMode():
            return partitioning.set_compute_mode(call)
        case SignalProcess():
            return _signal(call)
    raise AssertionError(f"nobody carries out {type(call).__name__}")


def _signal(call: SignalProcess) -> Answer | Failed:
    """Raises OSError."""
    one = tree.stat(call.pid)
    if one is None or one.start_ticks != call.start_ticks:
        return Failed(text=f"there is no process {call.pid} that began then")
    if call.pid not in partitioning.pids():
        return Failed(text=f"process {call.pid} holds no GPU")
    tree.send(one, _SIGNALS[call.to])
    return Done()


def _smi(*words: str) -> Answer | Failed:
    """Raises OSError."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [NVIDIA_SMI, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=SMI_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Failed(text=f"nvidia-smi took more than {SMI_LIMIT_S:g} s")
    if done.returncode == 0:
        return Done()
    said = " ".join((done.stdout + done.stderr).split())[-300:]
    return Failed(text=f"nvidia-smi {' '.join(words)} ended with {done.returncode}: {said or 'it said nothing'}")
