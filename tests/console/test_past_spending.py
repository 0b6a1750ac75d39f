"""Money of a window, against sums by hand over what two nodes tell; a fleet is played, store and sheet are real."""

from typing import Any

import pytest

from agents import wire
from console.app import Yard
from console.cli.cost_window import window_of
from console.cli.output import CommandFailed, Exit
from console.past_spending import BY, PastSpending, ask_spent, kept_short, past_bill, past_grouped
from console.remote.errors import RequestFailed
from console.render.pastbill import past_item, past_lines
from console.screens.session import Session
from console.store import Store
from console.widgets.lines import Lines
from profiles.money.prices import load
from profiles.money.spent import WHOLE, GpuTime, InstanceTime, Time
from profiles.observed.status import Reason
from tests.console.peer import snapshot

BOARD = "NVIDIA H100 80GB HBM3"
HOUR_S = 3600


def gpu(uuid: str, *instances: InstanceTime, board: str = BOARD, foreign_s: int = 0, seen_s: int = HOUR_S) -> GpuTime:
    return GpuTime(uuid=uuid, board=board, all=Time(seen_s * WHOLE), foreign=Time(foreign_s * WHOLE),
                   instances=instances)  # fmt: skip


def had(name: str, seconds: int, owner: str = "", idle_s: int = 0) -> InstanceTime:
    return InstanceTime(name=name, profile="p", owner=owner, model="m", engine="vllm", time=Time(seconds * WHOLE),
                        idle=Time(idle_s * WHOLE))  # fmt: skip


class Told:
    """a-1 saw the whole hour, b-1 ten minutes of it; old-1 is of a version that cannot tell."""

    def __init__(self) -> None:
        self.asked: list[wire.ReadSpent] = []

    async def request(self, node: str, ask: Any, answer: Any, *, deadline_s: float = 10, bulk: bool = False) -> Any:
        self.asked.append(ask)
        if node == "old-1":
            raise RequestFailed(Reason("unknown_request", "it knows no such request", "upgrade it"), node)
        whole = wire.SpentPart(
            seen_s=HOUR_S,
            gpus=(gpu("g1", had("chat/0", 1800, "search", idle_s=360)), gpu("g2", foreign_s=900),
                  gpu("g3", had("odd/0", 3600), board="")),
        )  # fmt: skip
        some = wire.SpentPart(seen_s=600, gpus=(gpu("g4", had("chat/1", 600, "search"), seen_s=600),))
        return wire.Spent(to_unix_s=0.0, part_s=3600.0, parts=(whole if node == "a-1" else some,))


async def asked() -> tuple[Store, PastSpending]:
    store = Store()
    store.sheet = load(None)
    for name in ("a-1", "b-1", "old-1"):
        store.add_node(name, owner="lab")
        store.receive(name, snapshot())
    return store, await ask_spent(Told(), store, 3600.0)


async def test_a_window_by_hand_to_the_cent() -> None:
    """At 2.95 $/h: half an hour of chat/0 is 1.475, ten minutes of chat/1 0.491666, a quarter hour foreign 0.7375."""
    store, past = await asked()
    bill = past_bill(store, past)
    assert bill.instances == {"chat/0": 1_475_000, "chat/1": 491_666}
    assert (bill.idle, bill.foreign, bill.unpriced) == (295_000, 737_500, 1)
    assert bill.total == 2 * 2_950_000 + 491_666
    assert past_grouped(store, past, "owner") == {"search": 1_966_666}
    assert past_grouped(store, past, "service") == {"chat": 1_966_666}
    assert past_grouped(store, past, "instance") == {"a-1:chat/0": 1_475_000, "b-1:chat/1": 491_666}
    assert all(sum(past_grouped(store, past, by).values()) == bill.allocated for by in BY)


async def test_what_is_not_kept_and_who_cannot_tell_is_said() -> None:
    store, past = await asked()
    assert kept_short(past) == {"b-1": 600}
    assert list(past.refused) == ["old-1"]
    lines = past_lines(past_bill(store, past), past, store)
    assert lines[0].split() == ["$", "in", "1h00m"]
    assert "instances                 1.97" in lines
    assert "of 1h00m, b-1 has 10m00s: the rest is in no sum" in lines
    assert past_item(past_bill(store, past), past, store)["usd"] == 6.391666


class Hourly:
    """24 hours, of which the node saw the last, and ten minutes of the last but two."""

    async def request(self, node: str, ask: Any, answer: Any, *, deadline_s: float = 10, bulk: bool = False) -> Any:
        parts = [wire.SpentPart(seen_s=0)] * (ask.parts - 3)
        parts.append(wire.SpentPart(seen_s=600, gpus=(gpu("g1", had("chat/0", 600), seen_s=600),)))
        parts.append(wire.SpentPart(seen_s=0))
        parts.append(wire.SpentPart(seen_s=HOUR_S, gpus=(gpu("g1", had("chat/0", 3600, idle_s=1800)),)))
        return wire.Spent(to_unix_s=0.0, part_s=3600.0, parts=tuple(parts))


async def test_the_cost_screen_shows_the_hours_of_a_day() -> None:
    store = Store()
    store.sheet = load(None)
    store.add_node("a-1")
    store.receive("a-1", snapshot())
    app = Yard(Session("prod", store))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("8")
        app.session.fleet = Hourly()  # type: ignore[assignment]
        await pilot.press("h")
        await app.workers.wait_for_complete()
        await pilot.pause()

        def shown() -> list[list[str]]:
            lines = app.screen.query_one("#detail", Lines).lines
            return ["".join(text for text, _ in line).split() for line in lines]

        head, together, kept, _, newest, unseen, older = shown()[1:8]
        assert head[:4] == ["By", "hour", "$", "instances"]
        assert together == ["together", "3.44", "3.44", "1.48"]
        assert kept[:5] == ["of", "1d00h,", "a-1", "has", "1h10m:"]
        assert newest[2:6] == ["2.95", "2.95", "1.48", "100"]
        assert unseen[2:5] == ["–", "–", "–"], "what nobody saw is unknown, not free"
        assert older[2:6] == ["0.49", "0.49", "0.00", "17"]
        assert not any(shown()[8:]), "nothing before the oldest that is remembered"
        await pilot.press("h")
        await pilot.pause()
        assert ["By", "hour"] not in [line[:2] for line in shown()]


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900.0), ("1h", 3600.0), ("24h", 86_400.0)])
def test_windows_have_units(text: str, seconds: float) -> None:
    assert window_of(text) == seconds


@pytest.mark.parametrize("text", ["60", "0s", "-1h", "400d", "an hour"])
def test_no_window_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        window_of(text)
    assert refused.value.code is Exit.USAGE
