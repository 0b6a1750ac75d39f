"""The engine's place on the simulated GPUs: its claim, its neighbours, and whether the demo still lives."""

import fcntl
import getpass
import os
from pathlib import Path

import msgspec

from engines.simulated.mps import Confinement
from engines.simulated_device import (
    CLAIMS_DIRECTORY,
    DEVICES_FILE,
    LOCK_FILE,
    Claim,
    SimulatedGpu,
    claim_file,
    decode_claim,
    decode_devices,
    demand_ratio,
    encode_claim,
    memory_used_mib,
)


class OutOfMemory(Exception):
    """The GPU has less left than was asked for. The text is CUDA's."""


class NoSuchGpu(Exception):
    """A UUID that devices.json does not list."""


class Device:
    """The GPUs that this process was given. Without a simulated directory there are none to share.

    Raises NoSuchGpu, mps.NotReady.
    """

    def __init__(self, directory: str | None, gpus: tuple[str, ...], instance: str | None) -> None:
        self._root = Path(directory) if directory else None
        self._instance = instance
        self.held_mib = 0.0
        self._let_go_mib = 0.0
        self.confined = Confinement()
        self.gpus: dict[str, SimulatedGpu] = {}
        if self._root:
            known = {gpu.uuid: gpu for gpu in decode_devices((self._root / DEVICES_FILE).read_bytes())}
            if unknown := [uuid for uuid in gpus if uuid not in known]:
                raise NoSuchGpu(f"{DEVICES_FILE} lists no GPU {', '.join(unknown)}")
            self.gpus = {uuid: known[uuid] for uuid in gpus}

    def allocate(self, more_mib: float) -> None:
        """Hold more on every GPU. Raises OutOfMemory, with nothing held in addition."""
        neighbours, limit_mib = self.neighbours(), self.confined.memory_limit_mib
        for uuid, gpu in self.gpus.items():
            free_mib = gpu.memory_usable_mib - memory_used_mib(neighbours, uuid) - self.held_mib
            if limit_mib is not None:
                free_mib = min(free_mib, limit_mib - self.held_mib)
            if more_mib > free_mib:
                under = "" if limit_mib is None else f" under an MPS limit of {limit_mib} MiB"
                raise OutOfMemory(
                    f"CUDA out of memory. Tried to allocate {more_mib / 1024:.2f} GiB. GPU {gpu.index} has a total "
                    f"capacity of {gpu.memory_total_mib / 1024:.2f} GiB of which {max(free_mib, 0):.2f} MiB is free"
                    f"{under}."
                )
        self.held_mib += more_mib

    def let_go(self) -> None:
        """Of all that is held, to be taken again."""
        self._let_go_mib, self.held_mib = self.held_mib, 0.0
        self.publish(0.0)

    def take_again(self) -> None:
        """Raises OutOfMemory, with nothing held: others may have come meanwhile."""
        self.allocate(self._let_go_mib)
        self._let_go_mib = 0.0
        self.publish(0.0)

    def share_mib(self, ratio: float) -> int | None:
        """`ratio` of the smallest of our GPUs, all of it counted, as vLLM counts; None without GPUs.

        Raises OutOfMemory where one of them has less left.
        """
        neighbours = self.neighbours()
        for uuid, gpu in self.gpus.items():
            total_mib, free_mib = gpu.memory_total_mib, gpu.memory_usable_mib - memory_used_mib(neighbours, uuid)
            free_mib = min(free_mib, self.confined.memory_limit_mib or free_mib)
            if ratio * total_mib > free_mib:
                raise OutOfMemory(
                    f"Free memory on device ({free_mib / 1024:.2f}/{total_mib / 1024:.2f} GiB) on startup is less than "
                    f"desired GPU memory utilization ({ratio}, {ratio * total_mib / 1024:.2f} GiB)."
                )
        return min((int(ratio * gpu.memory_total_mib) for gpu in self.gpus.values()), default=None)

    def slowdown_ratio(self, busy_ratio: float) -> float:
        """How many times slower we are than alone on the slowest of our GPUs. `busy_ratio` is how much we compute.

        With half of the SMs everything takes twice as long, and leaves the others theirs.
        """
        neighbours, share = self.neighbours(), self.confined.compute_ratio
        asked = (busy_ratio * share + demand_ratio(neighbours, uuid) for uuid in self.gpus)
        return max((1.0, *asked)) / share

    def publish(self, busy_ratio: float) -> None:
        """Rewrite our claim, whole or not at all."""
        if not self._root:
            return
        claim = Claim(
            pid=os.getpid(),
            name="gpuyard simulated engine",
            user=_user(),
            gpus={uuid: round(self.held_mib) for uuid in self.gpus},
            demand_ratio=round(busy_ratio * self.confined.compute_ratio, 3),
            instance=self._instance,
        )
        path = self._root / claim_file(claim.pid)
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_bytes(encode_claim(claim))
        draft.replace(path)

    def withdraw(self) -> None:
        self.confined.close()
        if self._root:
            (self._root / claim_file(os.getpid())).unlink(missing_ok=True)

    def neighbours(self) -> list[Claim]:
        """The claims of the other living processes."""
        if not self._root or not self.gpus:
            return []
        claims = []
        for path in (self._root / CLAIMS_DIRECTORY).glob("*.json"):
            try:
                claim = decode_claim(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue
            if claim.pid != os.getpid() and _lives(claim.pid):
                claims.append(claim)
        return claims

    def lost(self) -> bool:
        """Whether one of our GPUs has fallen off the bus."""
        return any(gpu.lost for gpu in self._now())

    def hung(self) -> bool:
        """Whether nothing comes back from one of our GPUs."""
        return any(gpu.hung for gpu in self._now())

    def _now(self) -> list[SimulatedGpu]:
        """Ours, with the switches as they are."""
        if not self._root or not self.gpus:
            return []
        return [gpu for gpu in decode_devices((self._root / DEVICES_FILE).read_bytes()) if gpu.uuid in self.gpus]

    def abandoned(self) -> bool:
        return self._root is not None and abandoned(self._root)


def abandoned(root: Path) -> bool:
    """Nobody holds the demo's lock any more. A directory without a lock belongs to no demo."""
    try:
        descriptor = os.open(root / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return not root.exists()
    try:
        # A shared try: engines that look at the same moment must not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
