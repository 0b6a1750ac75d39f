import asyncio
import sys

from agents.sampling.host import Host


async def test_the_host_adds_up() -> None:
    host = Host()
    first = host.read()
    sum(range(2_000_000))
    second = host.read()
    assert first.memory_total_mib > (first.memory_used_mib or 0) > 0
    assert second.cores >= 1
    assert second.load_1m is not None
    assert second.agent_cpu_ratio is not None
    assert second.agent_cpu_ratio > 0


async def test_the_child_counts_as_ours() -> None:
    host = Host()
    alone = host.read().agent_memory_mib
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(1, flush=True); input()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    await child.stdout.readline()
    both = host.read(child.pid).agent_memory_mib
    await child.communicate(b"\n")
    assert alone is not None
    assert both is not None
    assert both > 0
