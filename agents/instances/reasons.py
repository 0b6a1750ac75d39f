"""Every code that an instance's reason can have, by the phase that it explains; docs/phases.md says the same.

A code is for programs and never changes its meaning; the sentence beside it is for people and may.
"""

from collections.abc import Mapping, Sequence

from agents.instances.logtail import telling_line
from engines.failures import FAILURES, diagnose
from profiles.desired.model import DesiredInstance
from profiles.observed.status import Phase, Reason

_CANNOT_START = {
    "unknown_engine": "no adapter has this name",
    "bad_options": "the adapter refuses an option",
    "port_in_use": "the port that was asked for is taken",
    "bind_refused": "the admin of the node approved another address for gateways, or none",
    "model_relative": "the model's path is not absolute",
    "model_missing": "the model's path does not exist on the node",
    "program_missing": "the engine's program was not found",
    "runtime_missing": "the node has no such runtime of the engine",
    "runtime_broken": "the program of its runtime is not there, or cannot be executed",
    "secret_missing": "a secret that `env` names is not on the node",
    "secret_open": "others can read a secret that `env` names",
    "cpus_missing": "`resources` names CPUs that the node does not have",
    "cannot_execute": "the kernel refused to execute the program",
    "lock_held": "another engine of this instance still lives",
    "share_mode_unknown": "the agent cannot share a GPU in the way that is asked for",
    "mig_missing": "its MIG instance is not on the GPU",
    "mig_several": "it has several MIG instances, and a CUDA process uses one",
    "share_modes_mixed": "it has slices of GPUs that are shared in several ways",
    "mps_missing": "the program that controls MPS was not found",
    "mps_several_gpus": "it has MPS slices on several GPUs",
    "mps_path_long": "the agent's state directory is too deep for the sockets of MPS",
}

CODES: Mapping[Phase, Mapping[str, str]] = {
    Phase.PENDING: {
        "new": "the agent has not looked at it yet",
        "edited": "ended because its settings changed, about to start again",
        "gpu_missing": "a GPU of it is not read, or not there",
        "gpu_unfit": "a GPU of it is lost, stale, sick, or about to change its MIG mode",
        "no_room": "others have what it needs of a GPU",
        "share_mode": "a GPU of it is shared in another way just now",
        "too_big": "it asks for more of a GPU than there is",
        "waiting_for_room": "the room there is goes to another first, by priority, then by age",
        "gpu_left": "an instance that ended left processes that cannot be killed, or memory, on one of its GPUs",
        "gpu_claimed": "the agent of another user on the machine has given one of its GPUs away",
        "waiting_for_gpu": "another instance loads on one of its GPUs, or is next to",
        "repartition": "its GPU is divided anew by MIG",
        "repartition_stuck": "a change of its GPU's MIG layout is stuck",
    },
    Phase.STARTING: {
        "asked": "started because somebody asked",
        "restart": "started again after an end of its own",
    },
    Phase.LOADING: {
        "loading": "the engine loads its model",
        "adopted": "found running when the agent started",
    },
    Phase.READY: {
        "ready": "it serves",
        "woken": "it slept and serves again",
        "adopted": "found running when the agent started",
    },
    Phase.DEGRADED: {
        "unanswered": "neither its metrics nor its health answer",
        "token_refused": "it answers a request for one token with an error",
        "mig_elsewhere": "it runs on another MIG device than its own",
        "unconfined": "a process of it runs without MPS, and so without its limits",
        "mps_processes": "it has more processes than its MPS limits were divided among",
        "mps_fault": "an error ended the MPS server; nobody new gets in until all its clients are gone",
        "mps_gone": "the MPS daemon ended by itself",
        "mps_silent": "the MPS daemon does not answer",
        "not_asleep": "it did not go to sleep when it was told to, and is told again",
        "not_awake": "it did not wake when it was told to, and is told again",
        "not_changed": "an option could not be changed while it runs, and is tried again",
    },
    Phase.STALLED: {
        "no_progress": "it has requests and makes no tokens",
        "no_answer": "it looked idle, was asked for one token twice, and gave none in time",
    },
    Phase.SLEEPING: {
        "asleep": "its GPU memory is given back; its share stays its own",
    },
    Phase.DRAINING: {
        "draining": "requests are in flight",
        "empty": "nothing is in flight; it is held so",
    },
    Phase.STOPPING: {
        "asked": "somebody asked",
        "preempted": "a plan gave its place to a service that matters more",
        "edited": "its settings changed",
        "repartition": "its GPU is divided anew by MIG",
        "load_deadline": "it was not ready in time",
    },
    Phase.STOPPED: {
        "asked": "somebody asked",
        "preempted": "a plan gave its place to a service that matters more",
    },
    Phase.BACKOFF: {
        "exited": "ended by itself, is started again after a pause",
        "mig_unknown": "the driver does not say which MIG instances there are, it is asked again",
        "load_deadline": "was not ready in time, is started again after a pause",
        "node_error": "the agent met an error of the node (disk, limits), and tries again",
        **{failure.code: failure.cause for failure in FAILURES if failure.retry},
        "mps_full": "the GPU has as many MPS clients as it can",
        "mps_not_started": "the MPS daemon could not be started",
        "mps_fault": "waits until the clients of an MPS server in FAULT are gone",
        "mps_gone": "waits until the clients of an MPS daemon that ended are gone",
        "mps_silent": "waits until the clients of an MPS daemon that does not answer are gone",
    },
    Phase.LOST: {
        "lost": "gone without a record of its end, is started again after a pause",
    },
    Phase.FAILED: {
        **_CANNOT_START,
        **{failure.code: failure.cause for failure in FAILURES if not failure.retry},
        "crash_loop": "ended by itself too often",
        "survived_kill": "processes of it survived SIGKILL",
        "not_released": "its processes are gone, its GPU memory or port is not back",
    },
}
"""Phase → code → what it says. `node_error` may also stand beside the phase of an engine that lives on."""

ANYWHERE = "node_error"

LOST = Reason("lost", "the engine is gone and left no record of its end", "see its log and the kernel's (`dmesg`)")


def adopted() -> Reason:
    return Reason("adopted", "was found running when the agent started")


def stopped(owned: DesiredInstance | None) -> Reason:
    if owned is not None and owned.preempted_for:
        text = f"stopped to make room for {owned.preempted_for}"
        return Reason("preempted", text, "`start` it once there is room, or undo what it was stopped for")
    return Reason("asked", "stopped as asked")


def load_deadline(limit_s: float) -> Reason:
    return Reason("load_deadline", f"not ready after {limit_s:.0f} s", "see its log")


def survived_kill(pids: Sequence[int]) -> Reason:
    hint = "they wait in the kernel, most often for a GPU: see `dmesg`, the node may need a reboot"
    return Reason("survived_kill", f"processes {', '.join(map(str, pids))} survived SIGKILL", hint)


def survivors_gone(pids: Sequence[int]) -> Reason:
    text = f"processes {', '.join(map(str, pids))}, which survived SIGKILL, are gone now"
    return Reason("survived_kill", text, "start it again")


def not_released(held: str) -> Reason:
    hint = "it is stopped once that is given back: see `nvidia-smi`, and who else uses the port"
    return Reason("not_released", f"its processes are gone, but it still holds {held}", hint)


def ended_by_itself(how: str, log: Sequence[str], *, served: bool) -> tuple[Reason, str, bool]:
    """The reason, the line of the log that tells, and whether a new try could end otherwise.

    `how` it ended, and the end of its log. Only a start is given up for what its log tells: an engine that served once
    was started rightly.
    """
    text = f"ended by itself: {how}"
    known = diagnose(log)
    if known is None:
        line = telling_line(log)
        return Reason("exited", f"{text}: {line}" if line else text, "see its log"), line, True
    failure = known.failure
    code = failure.code if failure.retry or not served else "exited"
    return Reason(code, f"{text}: {failure.cause}: {known.line}", failure.advice), known.line, failure.retry or served
