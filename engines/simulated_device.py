"""The files of a simulated GPU directory: what simulated engines and the simulated GPU reader agree on.

    devices.json       the GPUs of the node
    claims/<pid>.json  what one process holds and asks for, rewritten twice a second while it lives
    nvml               where it is there, a fake NVIDIA driver has these GPUs too, and they are read through NVML
    lock               held with flock by the demo for its life; whoever can take it knows that the demo is gone

A claim whose process is dead does not count. Only the format is here; nothing is read or written.
"""

from collections.abc import Iterable

import msgspec

DIRECTORY_VARIABLE = "GPUYARD_SIMULATED_DIR"
DEVICES_FILE = "devices.json"
NVML_FILE = "nvml"
CLAIMS_DIRECTORY = "claims"
LOCK_FILE = "lock"
CLAIM_PERIOD_S = 0.5


class SimulatedGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU. `memory_reserved_mib` is the driver's own part of the total.

    The fields after its size are switches, changed while readers run: each number that is added to `xids` is an error
    that the driver reports then.
    """

    uuid: str
    index: int
    name: str
    memory_total_mib: int
    memory_reserved_mib: int = 0
    power_limit_w: float = 700.0
    lost: bool = False
    hung: bool = False
    """What is computed on it never ends."""
    xids: tuple[int, ...] = ()
    ecc_uncorrected: int = 0
    recovery: str = "none"
    """As profiles.observed.gpus.Recovery."""

    @property
    def memory_usable_mib(self) -> int:
        return self.memory_total_mib - self.memory_reserved_mib


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one process holds: MiB by GPU UUID.

    `demand_ratio` is the share of time in which it has work for its GPUs, 0–1.
    """

    pid: int
    name: str
    user: str = ""
    gpus: dict[str, int] = {}
    demand_ratio: float = 0.0
    instance: str | None = None


def claim_file(pid: int) -> str:
    """The path of a process's claim, relative to the directory."""
    return f"{CLAIMS_DIRECTORY}/{pid}.json"


def encode_devices(gpus: Iterable[SimulatedGpu]) -> bytes:
    return msgspec.json.encode(list(gpus))


def decode_devices(data: bytes) -> list[SimulatedGpu]:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=list[SimulatedGpu])


def encode_claim(claim: Claim) -> bytes:
    return msgspec.json.encode(claim)


def decode_claim(data: bytes) -> Claim:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Claim)


def memory_used_mib(claims: Iterable[Claim], gpu_uuid: str) -> int:
    return sum(claim.gpus.get(gpu_uuid, 0) for claim in claims)


def demand_ratio(claims: Iterable[Claim], gpu_uuid: str) -> float:
    """The sum of what the GPU's tenants ask for. Above 1 every tenant is that many times slower."""
    return sum(claim.demand_ratio for claim in claims if gpu_uuid in claim.gpus)
