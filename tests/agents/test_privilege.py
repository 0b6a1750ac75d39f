"""What may be done as root: the words of each call, and that nothing else is taken for one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.privilege.byhand import by_hand
from agents.privilege.calls import (
    VERBS,
    AnyCall,
    ComputeMode,
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
    Switch,
    call_of,
    words,
)
from engines.devices import Timeslice

GPU = "GPU-00000000-0000-4000-8000-000000000000"
CALLS: tuple[tuple[AnyCall, str, str], ...] = (
    (SetMigMode(gpu=GPU, to=Switch.ON), f"mig-mode {GPU} on", f"nvidia-smi -i {GPU} -mig 1"),
    (
        CreateGpuInstance(gpu=GPU, profile=9, start=4, size=4),
        f"create-gpu-instance {GPU} 9 4 4",
        f"nvidia-smi mig -i {GPU} -cgi 9:4 -C",
    ),
    (
        DestroyGpuInstance(gpu=GPU, gi_id=2),
        f"destroy-gpu-instance {GPU} 2",
        f"nvidia-smi mig -i {GPU} -gi 2 -dci && sudo nvidia-smi mig -i {GPU} -gi 2 -dgi",
    ),
    (LookAtMig(gpu=GPU), f"look-at-mig {GPU}", f"nvidia-smi mig -i {GPU} -lgi"),
    (
        SetTimeslice(gpu=GPU, to=Timeslice.LONG),
        f"timeslice {GPU} long",
        f"nvidia-smi compute-policy -i {GPU} --set-timeslice=3",
    ),
    (SetPersistence(gpu=GPU, to=Switch.OFF), f"persistence {GPU} off", f"nvidia-smi -i {GPU} -pm 0"),
    (
        SetComputeMode(gpu=GPU, to=ComputeMode.EXCLUSIVE),
        f"compute-mode {GPU} exclusive",
        f"nvidia-smi -i {GPU} -c EXCLUSIVE_PROCESS",
    ),
    (ResetGpu(gpu=GPU), f"reset-gpu {GPU}", f"nvidia-smi -i {GPU} --gpu-reset"),
    (SignalProcess(pid=4711, start_ticks=99, to=Ending.TERM), "signal 4711 99 term", "kill -TERM 4711"),
)


def test_every_verb_is_here() -> None:
    assert {type(call) for call, _, _ in CALLS} == set(VERBS.values())


@pytest.mark.parametrize(("call", "line", "typed"), CALLS)
def test_a_call_and_its_words(call: AnyCall, line: str, typed: str) -> None:
    assert words(call) == line.split()
    assert call_of(line.split()) == call
    assert by_hand(call) == f"sudo {typed}"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "sh",
        "mig-mode",
        f"mig-mode {GPU}",
        f"mig-mode {GPU} on on",
        f"mig-mode {GPU} 1",
        "mig-mode 0 on",
        f"mig-mode {GPU.lower()} on",
        f"mig-mode {GPU}\x00 on",
        f"mig-mode {GPU}/../x on",
        f"create-gpu-instance {GPU} -1 0 4",
        f"create-gpu-instance {GPU} 9 0 256",
        f"create-gpu-instance {GPU} 0x9 0 4",
        f"timeslice {GPU} 3",
        "signal 1 99 kill",
        "signal 0 99 kill",
        "signal -1 99 kill",
        "signal 4711 99 stop",
        "signal 4711 99e0 term",
        "signal 04711 99 term",
        "signal +4711 99 term",
    ],
)
def test_nothing_else_is_a_call(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        call_of(line.split(" ") if line else [])


def test_a_line_end_is_no_part_of_a_uuid() -> None:
    with pytest.raises(ValueError, match=re.escape("$.gpu")):
        call_of(["reset-gpu", f"{GPU}\n"])


@given(st.lists(st.text(max_size=40) | st.sampled_from([*VERBS, GPU, "on", "term", "4711", "0"]), max_size=6))
def test_whatever_is_taken_says_the_same_again(given_words: list[str]) -> None:
    try:
        call = call_of(given_words)
    except ValueError:
        return
    assert words(call) == given_words
