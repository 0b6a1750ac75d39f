"""One reading of an engine: its metrics, and the second page of an engine that has one."""

from collections.abc import Awaitable, Callable

from agents.instances.probe import Answer
from engines.abilities import Details
from engines.base import Engine, EngineSample, Probe

Ask = Callable[[str], Awaitable[Answer | None]]
"""A path of the engine → its answer, None without one."""


async def read(engine: Engine, probe: Probe, ask: Ask) -> EngineSample | None:
    """None without an answer; an engine without metrics says nothing of itself."""
    if probe.metrics_path is None:
        return EngineSample()
    page = await _page(ask, probe.metrics_path)
    if page is None:
        return None
    sample = engine.sample(page)
    if probe.detail_path is None or not isinstance(engine, Details):
        return sample
    detail = await _page(ask, probe.detail_path)
    return sample if detail is None else engine.detailed(sample, detail)


async def _page(ask: Ask, path: str) -> str | None:
    answer = await ask(path)
    return answer.body.decode(errors="replace") if answer is not None and answer.status == 200 else None
