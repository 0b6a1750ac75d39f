"""Loading: memory taken piece by piece, told in the log lines of vLLM 0.32."""

import asyncio
import os
import time

from msgspec.structs import replace

from engines.simulated.device import Device, OutOfMemory
from engines.simulated.settings import Settings

SHARDS = 4


def sized(settings: Settings, device: Device) -> Settings:
    """With the cache that is left of its share of the GPU, where it has one. Raises OutOfMemory."""
    if settings.gpu_memory_utilization is None:
        return settings
    share_mib = device.share_mib(settings.gpu_memory_utilization)
    if share_mib is None:
        return settings
    if share_mib <= settings.weights_mib:
        raise OutOfMemory("No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.")
    return replace(settings, kv_cache_mib=share_mib - settings.weights_mib)


async def load(settings: Settings, device: Device) -> None:
    """Take the memory for weights and cache in the time that was asked for. Raises OutOfMemory."""
    piece_s = settings.load_seconds / (SHARDS + 4)
    say(f"non-default args: {{'model': '{settings.model}', 'port': {settings.port}}}")
    say(f"Using max model len {settings.max_model_len}")
    await asyncio.sleep(piece_s)
    say("Initializing a V1 LLM engine (v0.32.0, simulated)")
    await asyncio.sleep(piece_s)
    say(f"Starting to load model {settings.model}...")
    for shard in range(1, SHARDS + 1):
        _take(device, settings.weights_mib / SHARDS)
        await asyncio.sleep(piece_s)
        say(f"Loading safetensors checkpoint shards: {100 * shard // SHARDS:3d}% Completed | {shard}/{SHARDS}")
    gib = settings.weights_mib / 1024
    say(f"Model loading took {gib:.2f} GiB memory and {piece_s * SHARDS:.2f} seconds")
    _take(device, settings.kv_cache_mib)
    say(f"Available KV cache memory: {settings.kv_cache_mib / 1024:.2f} GiB")
    await asyncio.sleep(piece_s)
    say("Capturing CUDA graphs (decode, FULL)")
    await asyncio.sleep(piece_s)
    say(f"init engine (profile, create kv cache, warmup model) took {piece_s * 2:.2f} seconds")


def say(text: str) -> None:
    stamp = time.strftime("%m-%d %H:%M:%S")
    print(f"(APIServer pid={os.getpid()}) INFO {stamp} {text}", flush=True)


def _take(device: Device, mib: float) -> None:
    device.allocate(mib)
    device.publish(0.0)
