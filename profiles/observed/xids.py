"""What the numbers mean with which NVIDIA's driver reports errors of a GPU, and what to do about each. Pure.

From NVIDIA's catalogue of 2025-10-29, and for 173 and later from the driver's open source, version 595. A number that
is not here is shown with the kernel's own words, and nothing is concluded from it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from profiles.observed.finding import Severity


class Act(StrEnum):
    """What an XID asks for, mildest first."""

    WATCH = "watch"
    RESTART = "restart"
    RESET = "reset"
    REBOOT = "reboot"
    REPLACE = "replace"


ADVICE: Mapping[Act, str] = {
    Act.WATCH: "nothing to do now; watch whether it repeats",
    Act.RESTART: "restart the engine; if it repeats with other software, the GPU is suspect",
    Act.RESET: "move what runs on it, then reset the GPU: nvidia-smi --gpu-reset as root, with no process on it",
    Act.REBOOT: "move what runs on the node, then power-cycle it",
    Act.REPLACE: "move what runs on it and have the hardware looked at",
}

SEVERITY: Mapping[Act, Severity] = {
    Act.WATCH: Severity.INFO, Act.RESTART: Severity.WARNING, Act.RESET: Severity.PROBLEM, Act.REBOOT: Severity.PROBLEM,
    Act.REPLACE: Severity.PROBLEM,
}  # fmt: skip


class Meaning(NamedTuple):
    """`text` goes after `XID 79: `; `act` None is a number that is not known."""

    text: str
    act: Act | None
    advice: str

    @property
    def severity(self) -> Severity:
        return SEVERITY[self.act] if self.act else Severity.WARNING

    @property
    def stops_placing(self) -> bool:
        """Whether nothing new belongs on the GPU until it was reset."""
        return self.severity is Severity.PROBLEM


def meaning(number: int) -> Meaning:
    found = _KNOWN.get(number)
    if found is None:
        return Meaning("not in NVIDIA's catalogue", None, "see the kernel's log for its own words")
    act, text, advice = (*found, "")[:3]
    return Meaning(text, act, advice or ADVICE[act])


_FOLLOWS = "it follows an earlier error or the end of a process: look at the one before it"
_LINK = "check the link and the GPU at its other end: cable, bridge or switch"
_WATCH, _RESTART, _RESET, _REBOOT, _REPLACE = Act

_KNOWN: Mapping[int, tuple[Act, str] | tuple[Act, str, str]] = {
    8: (_RESTART, "the GPU stopped processing"),
    13: (_RESTART, "an exception in a kernel"),
    31: (_RESTART, "a page fault in GPU memory", "restart the engine; a bug of its own, unless only this GPU has it"),
    32: (_RESTART, "a corrupted push buffer"),
    43: (_RESTART, "a process made an error and lost its channel; the GPU is fine"),
    44: (_RESTART, "an error while switching between processes"),
    45: (_WATCH, "channels of a process were cleaned up", _FOLLOWS),
    46: (_RESET, "the GPU stopped processing"),
    48: (_RESET, "a double-bit ECC error"),
    54: (_REPLACE, "its auxiliary power is not connected"),
    61: (_REPLACE, "a breakpoint in its micro-controller"),
    62: (_RESET, "its micro-controller halted"),
    63: (_WATCH, "a row of memory is to be remapped", "work goes on safely; reset the GPU at the next opportunity"),
    64: (_RESET, "remapping a row of memory failed", "reset the GPU; if it comes back, have the GPU replaced"),
    66: (_WATCH, "an illegal access by the driver", "report it to NVIDIA"),
    67: (_WATCH, "an illegal access by the driver", "report it to NVIDIA"),
    69: (_RESTART, "an error of the graphics class"),
    74: (_RESET, "an NVLink error", _LINK),
    78: (_REPLACE, "a virtual GPU cannot start", "update the vGPU software of host and guest"),
    79: (_REBOOT, "the GPU has fallen off the bus", "power-cycle the node; if it repeats: seating, power, heat"),
    92: (_WATCH, "a high rate of single-bit ECC errors"),
    93: (_WATCH, "its InfoROM wears out"),
    94: (_RESTART, "an uncorrectable ECC error, contained in one process"),
    95: (_RESET, "an uncorrectable ECC error that is not contained", "move everything off it, off its MIG devices too, "
         "then reset it"),
    109: (_RESET, "switching between processes timed out"),
    110: (_RESET, "a security fault"),
    119: (_RESET, "its system processor (GSP) does not answer", "reset the GPU; where that fails, reboot the node"),
    120: (_RESET, "an error of its system processor (GSP)", "reset the GPU; where that fails, reboot the node"),
    121: (_WATCH, "a corrected error of the link to its CPU"),
    136: (_RESET, "training an NVLink failed", _LINK),
    137: (_RESTART, "another GPU's access over NVLink was refused", _FOLLOWS),
    140: (_RESET, "an ECC error that could not be recovered"),
    143: (_RESET, "the GPU could not be initialised"),
    **dict.fromkeys(range(144, 151), (_RESET, "an NVLink error", _LINK)),
    151: (_RESET, "rotating keys failed", "restart the confidential machine"),
    154: (_WATCH, "the driver asks for another recovery than before", "see the recovery action of the GPU"),
    155: (_RESET, "an NVLink error", _LINK),
    156: (_RESET, "a part of it was retired"),
    157: (_REPLACE, "retiring a part of it failed"),
    158: (_RESET, "a fatal timeout"),
    159: (_REPLACE, "an error of the link to its CPU", "follow the errors beside it; alone, have it looked at"),
    160: (_WATCH, "a memory channel was retired", "have it looked at"),
    161: (_WATCH, "retiring a memory channel failed", "have it looked at"),
    162: (_WATCH, "power smoothing is on"),
    163: (_WATCH, "power smoothing is off"),
    164: (_WATCH, "the power smoothing circuit nears its end"),
    165: (_WATCH, "the power smoothing circuit is worn out"),
    167: (_REBOOT, "a fatal PCIe timeout"),
    168: (_RESET, "a write to protected memory"),
    169: (_RESET, "a micro-controller halted"),
    170: (_RESET, "an interrupt in confidential mode"),
    171: (_RESET, "a double-bit ECC error, in its memory"),
    172: (_RESET, "a double-bit ECC error, in its caches"),
    173: (_RESET, "a fatal error of the link to its CPU"),
    174: (_RESET, "an error that NVIDIA's catalogue does not explain"),
    175: (_RESET, "an error that NVIDIA's catalogue does not explain"),
    176: (_RESET, "an error that NVIDIA's catalogue does not explain"),
}  # fmt: skip
