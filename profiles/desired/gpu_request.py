"""What a service asks of GPUs: as people write it, and what that means.

devices                    these, each of them whole
count, type                so many of one node for each replica, wherever there is room; 1 where only a part is asked
+ memory or portion        a part by memory: `limit` is how far it may go beyond, `compute` what it may use of the SMs
+ mig                      a MIG device of exactly that profile
"""

import re
from fractions import Fraction
from typing import Literal

import msgspec

from engines.devices import Enforcer
from profiles.text.units import size_mib

LEAST_MIB = 512
"""Under which no CUDA program gets as far as a model."""

MOST_GPUS = 64
"""Of one node."""

_PERCENT = re.compile(r"([0-9]{1,3})%", re.ASCII)
_PROFILE = re.compile(r"[1-9]g\.[0-9]{1,3}gb(?:[+-](?:me|gfx)(?:\.all)?)?", re.ASCII)


class BadShare(ValueError):
    """A request that cannot be; `key` is the one of `gpus` that is wrong."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each GPU. Nothing set is all of it; `enforce` None leaves the choice to the plan."""

    memory_mib: int | None = None
    portion: float | None = None
    limit_mib: int | None = None
    compute_percent: int | None = None
    enforce: Enforcer | None = None
    mig: str | None = None

    @property
    def whole(self) -> bool:
        return self == Share()

    def portion_mib(self, allocatable_mib: int) -> int:
        """What it asks for on a GPU with so much to give."""
        if self.portion is None:
            return self.memory_mib or 0
        return int(Fraction(str(self.portion)) * allocatable_mib)  # as it was written, not as binary has it


class GpuRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`devices` are named one by one, as `NODE/INDEX`, and replicas share the list out in order, evenly. Without them,
    a place is chosen for each replica (profiles.placing.place)."""

    devices: tuple[str, ...] | None = None
    count: int | None = None
    type: str | None = None
    memory: str | None = None
    portion: float | None = None
    limit: str | None = None
    compute: str | None = None
    enforce: Literal["engine_flag", "mps", "none"] | None = None
    mig: str | None = None

    def share(self) -> Share:
        """Raises BadShare; files are checked when they are loaded."""
        self._check_together()
        found = Share(
            memory_mib=_size("memory", self.memory),
            portion=self.portion,
            limit_mib=_size("limit", self.limit),
            compute_percent=_percent(self.compute),
            enforce=None if self.enforce is None else Enforcer(self.enforce),
            mig=self.mig,
        )
        if self.portion is not None and not 0 < self.portion <= 1:
            raise BadShare(
                "portion", f"`portion` must be over 0 and at most 1, not {self.portion:g}", "0.25 is a quarter"
            )
        if found.limit_mib is not None and found.limit_mib < (found.memory_mib or 0):
            raise BadShare("limit", f"the limit {self.limit} is under the request {self.memory}", "give more, or none")
        if found.compute_percent is not None and found.enforce not in (None, Enforcer.MPS):
            raise BadShare("enforce", f"`{self.enforce}` cannot hold `compute`", "only `enforce: mps` can")
        if self.mig is not None and not _PROFILE.fullmatch(self.mig):
            raise BadShare("mig", f"`{self.mig}` is no profile of MIG", "as NVIDIA writes it: `1g.10gb`")
        return found

    @property
    def each(self) -> int:
        """GPUs of one replica, where they are not named."""
        return 1 if self.count is None else self.count

    def check_choice(self) -> None:
        """Which GPUs, as far as a file can be wrong about it. Raises BadShare."""
        for key in ("count", "type"):
            if self.devices is not None and getattr(self, key) is not None:
                raise BadShare(key, f"`{key}` does not go with `devices`", "name them, or let them be chosen")
        if self == GpuRequest():
            raise BadShare("", "nothing is asked of GPUs", "`count: 1`, `memory: 12GiB`, …; without `gpus`, the CPU")
        if not 1 <= self.each <= MOST_GPUS:
            hint = "leave `gpus` out to use the CPU" if self.each < 1 else "one engine runs on the GPUs of one node"
            raise BadShare("count", f"`count` must be 1 to {MOST_GPUS}, not {self.count}", hint)
        if self.mig is not None and self.each > 1:
            raise BadShare("count", "one engine uses one MIG device, not several", "leave `count` out")

    def _check_together(self) -> None:
        if self.memory is not None and self.portion is not None:
            raise BadShare("portion", "`memory` and `portion` say the same thing twice", "keep one of them")
        by_memory = self.memory is not None or self.portion is not None
        for key in ("memory", "portion", "limit", "compute", "enforce"):
            if getattr(self, key) is None:
                continue
            if self.mig is not None:
                raise BadShare(key, f"`{key}` does not go with `mig`", "a MIG device is given whole")
            if not by_memory:
                raise BadShare(key, f"`{key}` is of a part of a GPU", "say which: add `memory` or `portion`")


def _size(key: str, text: str | None) -> int | None:
    if text is None:
        return None
    found = size_mib(text)
    if found is None:
        raise BadShare(key, f"`{text}` is no size", "a whole number and MiB, GiB or TiB: `12GiB`")
    if found < LEAST_MIB:
        raise BadShare(key, f"{text} of GPU memory is too little for any model", f"at least {LEAST_MIB}MiB")
    return found


def _percent(text: str | None) -> int | None:
    if text is None:
        return None
    found = _PERCENT.fullmatch(text)
    if not found or not 1 <= int(found[1]) <= 100:
        raise BadShare("compute", f"`{text}` is no share of the SMs", "1% to 100%")
    return int(found[1])
