"""The lease of a service ends while nobody looks."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from profiles.observed.status import Event, Phase
from tests.faults.clock import moving_clock
from tests.faults.node import FaultNode, wait_until
from tests.faults.watcher import Watcher, watching

pytestmark = pytest.mark.faults

DAY_S = 86400


async def test_a_lease_that_ends_with_no_console_there_stops_nothing_and_is_on_record(
    node: FaultNode, tmp_path: Path
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    node.environ |= {"LD_PRELOAD": str(moving_clock(tmp_path)), "FAULTS_CLOCK": str(offset)}
    node.start()
    async with watching(node.layout.socket) as watcher:
        leased = node.spec("a/0")
        leased = replace(leased, owner="ann", spec=replace(leased.spec, lease_s=30.0 * DAY_S))
        await watcher.edit(lambda _: {"a/0": leased, "b/0": node.spec("b/0")})
        kept = {name: (await watcher.until_phase(name)).pid for name in ("a/0", "b/0")}
    offset.write_text(str(28 * DAY_S))
    wait_until(lambda: "lease_ends_soon" in node.layout.events.read_text(), "it is warned of")
    offset.write_text(str(31 * DAY_S))
    wait_until(lambda: "lease_over" in node.layout.events.read_text(), "it is over")
    node.kill()
    node.start()
    async with watching(node.layout.socket) as watcher:
        for name, pid in kept.items():
            assert (await watcher.until_phase(name, Phase.READY)).pid == pid
        said = told(watcher)
        assert [(one.code, one.instance) for one in said] == [("lease_ends_soon", "a/0"), ("lease_over", "a/0")]
        assert said[0].text == "lease ends in 47 h (of ann): apply its profile again to renew it"
        await watcher.edit(lambda now: {**now, "a/0": replace(now["a/0"], renews_lease=True)})
        ends = watcher.desired.instances["a/0"].lease_ends_at_unix_s
        assert ends is not None
        await watcher.until(lambda: ends_at(watcher) > said[1].at_unix_s + 28 * DAY_S, "it begins anew")
        assert watcher.instances["a/0"].pid == kept["a/0"]


def ends_at(watcher: Watcher) -> float:
    return watcher.desired.instances["a/0"].lease_ends_at_unix_s or 0.0


def told(watcher: Watcher) -> list[Event]:
    return [event for event in watcher.events if event.code.startswith("lease_")]
