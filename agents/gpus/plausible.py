"""What would follow on a GPU that does not exist from the work that is asked of it. Pure.

The figures are those of an H100 that serves language models, in round numbers: nobody should read more into them
than that one follows from another.
"""

from collections.abc import Sequence

from engines.simulated_device import Claim, SimulatedGpu
from profiles.observed.gpus import GpuCard, GpuErrors, GpuPeer, Nearness, Recovery

COOL_C, HOT_C, SLOWDOWN_C = 34.0, 84.0, 92.0
IDLE_MHZ, MOST_MHZ, MEMORY_MHZ = 345, 1980, 2619
_ACTIVE_OF_BUSY = 0.72
"""Kernels of inference seldom fill all SMs."""
_OCCUPANCY_OF_ACTIVE, _TENSOR_OF_ACTIVE, _DRAM_OF_BUSY = 0.38, 0.46, 0.61
_SWITCHING_PER_NEIGHBOUR = 0.03
_MEMORY_ABOVE_C = 9.0
_PCIE_MIB_S, _NVLINK_MIB_S = 900.0, 62_000.0
"""At full work; the latter only of those that span several GPUs."""
_SOCKET = 4
"""GPUs beside one CPU."""


def throttle(temperature_c: float, busy: float) -> dict[str, float]:
    """What holds the clocks back, with the share of the time for which it does."""
    if temperature_c >= HOT_C:
        return {"sw_thermal": round(min(1.0, 0.4 + (temperature_c - HOT_C) / 8), 3)}
    return {"sw_power_cap": round(busy, 3)} if busy >= 0.995 else {}


def figures(uuid: str, claims: Sequence[Claim], busy: float, temperature_c: float) -> dict[str, object]:
    """Fields of a GpuReading beside the few that everything else follows from."""
    here = [claim for claim in claims if uuid in claim.gpus and claim.demand_ratio > 0]
    spanning = min(1.0, sum(claim.demand_ratio for claim in here if len(claim.gpus) > 1))
    throttled = throttle(temperature_c, busy)
    active = busy * _ACTIVE_OF_BUSY
    clock_mhz = MOST_MHZ * (1 - 0.25 * max(throttled.values(), default=0.0)) if busy else IDLE_MHZ
    return {
        "throttle": tuple(throttled),
        "throttled_ratio": throttled,
        "sm_active_ratio": round(active, 4),
        "sm_occupancy_ratio": round(active * _OCCUPANCY_OF_ACTIVE, 4),
        "tensor_ratio": round(active * _TENSOR_OF_ACTIVE, 4),
        "dram_ratio": round(busy * _DRAM_OF_BUSY, 4),
        "switching_ratio": round(busy * _SWITCHING_PER_NEIGHBOUR * max(0, len(here) - 1), 4),
        "sm_clock_mhz": round(clock_mhz),
        "memory_clock_mhz": MEMORY_MHZ,
        "memory_temperature_c": round(temperature_c + _MEMORY_ABOVE_C, 1),
        "margin_c": round(SLOWDOWN_C - temperature_c, 1),
        "pcie_rx_mib_s": round(_PCIE_MIB_S * busy, 1),
        "pcie_tx_mib_s": round(_PCIE_MIB_S * busy / 3, 1),
        "nvlink_rx_mib_s": round(_NVLINK_MIB_S * spanning, 1),
        "nvlink_tx_mib_s": round(_NVLINK_MIB_S * spanning, 1),
    }


def errors(gpu: SimulatedGpu) -> tuple[GpuErrors, Recovery]:
    none = GpuErrors(
        ecc_corrected=0, ecc_uncorrected=gpu.ecc_uncorrected, ecc_corrected_ever=0,
        ecc_uncorrected_ever=gpu.ecc_uncorrected, rows_remapped=0, remap_pending=False, remap_failed=False,
        pcie_replays=0,
    )  # fmt: skip
    return none, Recovery(gpu.recovery)


def card(gpu: SimulatedGpu, gpus: Sequence[SimulatedGpu]) -> GpuCard:
    near = [
        GpuPeer(other.uuid, Nearness.NODE if other.index // _SOCKET == gpu.index // _SOCKET else Nearness.SYS)
        for other in gpus
        if other.uuid != gpu.uuid
    ]
    return GpuCard(
        uuid=gpu.uuid,
        driver="simulated",
        architecture="Hopper",
        compute_capability="9.0",
        bus=f"0000:{0x1B + gpu.index:02x}:00.0",
        numa_node=gpu.index // _SOCKET,
        pcie_generation=5,
        pcie_width=16,
        nvlinks=18,
        persistence=True,
        compute_mode="default",
        peers=tuple(sorted(near, key=lambda peer: peer.nearness is not Nearness.NODE)),
    )
