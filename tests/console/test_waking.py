import asyncio

import pytest

from console.clock import elapsed_s
from console.remote import waking


async def test_only_a_sleep_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "LOOK_S", 0.001)
    steps = iter([0.0, 1.0, 2.0, 9.0, 10.0, 7200.0])
    woke: list[float] = []
    now_s = 0.0

    def clock() -> float:
        nonlocal now_s
        try:
            now_s = next(steps)
        except StopIteration:
            raise asyncio.CancelledError from None
        return now_s

    with pytest.raises(asyncio.CancelledError):
        await waking.watch(lambda: woke.append(now_s), clock)
    assert woke == [9.0, 7200.0]


def test_time_goes_on() -> None:
    assert elapsed_s() < elapsed_s() + 1e-9 <= elapsed_s() + 1
