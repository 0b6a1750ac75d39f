"""What an admin would type instead of a call, ready to be pasted on the host."""

from agents.privilege.calls import (
    AnyCall,
    ComputeMode,
    CreateGpuInstance,
    DestroyGpuInstance,
    LookAtMig,
    ResetGpu,
    SetComputeMode,
    SetMigMode,
    SetPersistence,
    SetTimeslice,
    SignalProcess,
    Switch,
)
from engines.devices import Timeslice


def by_hand(call: AnyCall) -> str:
    """With nvidia-smi, as its own help (580) writes these options. `-cgi` takes the driver's id of a profile."""
    match call:
        case SetMigMode(gpu=gpu, to=to):
            return f"sudo nvidia-smi -i {gpu} -mig {_number(to)}"
        case CreateGpuInstance(gpu=gpu, profile=profile, start=start):
            return f"sudo nvidia-smi mig -i {gpu} -cgi {profile}:{start} -C"
        case DestroyGpuInstance(gpu=gpu, gi_id=gi_id):
            where = f"sudo nvidia-smi mig -i {gpu} -gi {gi_id}"
            return f"{where} -dci && {where} -dgi"
        case LookAtMig(gpu=gpu):
            return f"sudo nvidia-smi mig -i {gpu} -lgi"
        case SetTimeslice(gpu=gpu, to=to):
            return f"sudo nvidia-smi compute-policy -i {gpu} --set-timeslice={list(Timeslice).index(to)}"
        case SetPersistence(gpu=gpu, to=to):
            return f"sudo nvidia-smi -i {gpu} -pm {_number(to)}"
        case SetComputeMode(gpu=gpu, to=to):
            mode = "EXCLUSIVE_PROCESS" if to is ComputeMode.EXCLUSIVE else "DEFAULT"
            return f"sudo nvidia-smi -i {gpu} -c {mode}"
        case ResetGpu(gpu=gpu):
            return f"sudo nvidia-smi -i {gpu} --gpu-reset"
        case SignalProcess(pid=pid, to=to):
            return f"sudo kill -{to.upper()} {pid}"


def _number(switch: Switch) -> int:
    return int(switch is Switch.ON)
