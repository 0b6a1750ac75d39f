"""Services as rows: what is worst, what is summed, and what pulse and the services screen make of it."""

import pytest
from msgspec.structs import replace

from console.app import Yard
from console.render.figures import first_token
from console.render.services import SERVICE_COLUMNS, service_row, worst_replica
from console.render.table import Row, Tone
from console.screens.instances import InstancesScreen
from console.screens.logs import LogsScreen
from console.screens.service import ServiceScreen
from console.screens.services import ServicesScreen
from console.screens.session import Session
from console.store import Key, Kind, NodeState, Store
from console.widgets.lines import Lines
from profiles.desired.model import Desired, DesiredInstance, InstanceSpec, Wanted
from profiles.latency.burn import Misses
from profiles.latency.canary import CanaryReading
from profiles.observed.status import EngineReading, InstanceStatus, Phase
from tests.console.peer import instance, snapshot
from tests.fakes.fleet import SLO, Clock, FakeOperations, filled, histogram

CHAT = Key(Kind.SERVICE, "", "p:chat")
READY, FAILED, LOADING, STALLED = Phase.READY, Phase.FAILED, Phase.LOADING, Phase.STALLED


def stored(*replicas: InstanceStatus) -> Store:
    """Replica 0 on node n0, replica 1 on n1, …"""
    store = Store()
    for at, replica in enumerate(replicas):
        store.add_node(f"n{at}")
        store.receive(f"n{at}", snapshot(replica))
    return store


def cells(row: Row | None) -> dict[str, str]:
    assert row is not None
    return {column.id: cell.text for column, cell in zip(SERVICE_COLUMNS, row.cells, strict=True)}


def chat(at: int, phase: Phase, **more: object) -> InstanceStatus:
    return replace(instance(f"chat/{at}", phase), **more)


@pytest.mark.parametrize(
    ("phases", "ready", "worst"),
    [
        ([READY, READY], "2/2", "  ready"),
        ([READY, FAILED], "1/2", "× FAILED"),
        ([READY, FAILED, STALLED], "1/3", "? STALLED"),
        ([FAILED, STALLED], "0/2", "× DOWN"),
        ([Phase.BACKOFF], "0/1", "× DOWN"),
        ([Phase.DEGRADED], "0/1", "! DEGRADED"),
        ([LOADING, Phase.STARTING], "0/2", "  starting"),
        ([LOADING, READY], "1/2", "  loading"),
        ([Phase.STOPPING], "0/1", "× DOWN"),
    ],
)
def test_worst(phases, ready, worst):
    found = cells(service_row(stored(*(chat(at, phase) for at, phase in enumerate(phases))), CHAT))
    assert (found["ready"], found["worst"]) == (ready, worst)


def test_a_replica_that_came_back_to_loading_leaves_the_service_down():
    assert cells(service_row(stored(chat(0, LOADING, restarts=1)), CHAT))["worst"] == "× DOWN"


def test_what_is_stopped_on_purpose_is_not_down():
    store = stored(chat(0, Phase.STOPPED, wanted=Wanted.STOPPED))
    row = service_row(store, CHAT)
    assert (cells(row)["ready"], cells(row)["worst"]) == ("0/0", "  stopped")
    assert row is not None
    assert not row.is_problem


def test_replicas_on_a_lost_node_are_unseen_rather_than_down():
    store = stored(chat(0, READY), chat(1, READY))
    store.link("n1", NodeState.UNREACHABLE)
    found = cells(service_row(store, CHAT))
    assert (found["ready"], found["worst"], found["where"]) == ("1/2", "~ unseen", "n1")
    assert found["why"].endswith("old, node unreachable")
    store.link("n0", NodeState.UNREACHABLE)
    row = service_row(store, CHAT)
    assert (cells(row)["ready"], cells(row)["worst"]) == ("0/2", "× UNSEEN")
    assert row is not None
    assert row.dim


def test_figures_are_summed_over_what_answers_and_the_fullest_cache_is_shown():
    store = filled()
    service = Key(Kind.SERVICE, "", "chat-prod:llama-70b")
    found = cells(service_row(store, service))
    assert (found["requests"], found["queue"], found["kv"]) == ("23.9", "39", "94")
    assert (found["worst"], found["where"]) == ("! 17.8×", "fra-1 gpu0-3")
    store.link("fra-1", NodeState.UNREACHABLE)
    found = cells(service_row(store, service))
    assert (found["ready"], found["requests"], found["kv"]) == ("0/3", "–", "–")


def test_an_ordinary_service_is_a_quiet_row():
    row = service_row(filled(), Key(Kind.SERVICE, "", "chat-prod:qwen3-32b"))
    found = cells(row)
    assert (found["since"], found["why"], found["where"]) == ("", "", "fra-2")
    assert row is not None
    assert {cell.tone for cell in row.cells} <= {Tone.PLAIN, Tone.DIM}


def test_the_store_knows_who_belongs_together_as_instances_come_and_go():
    store = stored(chat(0, READY), chat(1, READY))
    assert [key.name for key in store.members(CHAT)] == ["chat/0", "chat/1"]
    store.take_dirty()
    store.receive("n1", snapshot(chat(1, READY, profile="other")))
    assert store.take_dirty() >= {CHAT, Key(Kind.SERVICE, "", "other:chat")}
    assert [key.name for key in store.members(CHAT)] == ["chat/0"]
    store.receive("n0", snapshot())
    assert CHAT in store.take_dirty()
    assert store.keys(Kind.SERVICE) == [Key(Kind.SERVICE, "", "other:chat")]
    assert worst_replica(store, CHAT) is None
    assert service_row(store, CHAT) is None


def yard() -> tuple[Yard, FakeOperations]:
    store = filled()
    operations = FakeOperations(store)
    return Yard(Session("prod", store, operations=operations)), operations


async def test_pulse_lists_services_worst_first_and_enter_opens_their_instances():
    app, _ = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ServicesScreen)
        assert [key.name.partition(":")[2] for key in app.screen.table().order.keys] == [
            "rerank", "llama-70b", "qwen3-32b", "embed",
        ]  # fmt: skip
        await pilot.press("j", "enter")
        assert isinstance(app.screen, InstancesScreen)
        assert sorted(key.name for key in app.screen.table().order.keys) == [
            "llama-70b/0",
            "llama-70b/1",
            "llama-70b/2",
        ]
        app.session.store.receive("ams-1", snapshot(replace(instance("llama-70b/7", READY), profile="chat-prod")))
        app.flush()
        assert sorted(key.name for key in app.screen.table().order.keys) == [
            "llama-70b/0", "llama-70b/1", "llama-70b/7",
        ]  # fmt: skip
        await pilot.press("escape", "4")
        assert type(app.screen) is ServicesScreen


async def test_an_action_on_a_service_is_one_on_all_its_instances():
    app, operations = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "j", "x")
        await pilot.pause()
        await pilot.press("2")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause(0.1)
        [(plan, _)] = operations.applied
        assert {(step.node, step.instance) for step in plan.steps} == {
            ("fra-1", "llama-70b/0"), ("fra-1", "llama-70b/1"), ("ams-1", "llama-70b/2"),
        }  # fmt: skip
        assert "fra-1 will stop llama-70b/0, llama-70b/1." in [note.message for note in app._notifications]


async def test_the_log_of_a_service_is_that_of_its_worst_replica():
    app, _ = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("j", "l")
        assert isinstance(app.screen, LogsScreen)
        assert app.screen.key == Key(Kind.INSTANCE, "fra-1", "llama-70b/0")


async def test_pulse_follows_the_whole_fleet_once_a_second():
    clock = Clock()
    store = filled(clock)
    app = Yard(Session("prod", store, operations=FakeOperations(store)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        store.link("ams-1", NodeState.REFUSED)
        clock.passed_s = 1
        app.flush()
        line = app.screen.query_one("#problems", Lines).lines[0]
        assert any("ams-1 refused" in text for text, _ in line)


def promising(phase: Phase, at: int, slow: float, of: float = 100) -> tuple[InstanceStatus, DesiredInstance]:
    misses = {"ttft_p95": (Misses(of, slow, slow),) * 3}
    status = chat(at, phase, misses=misses)
    spec = InstanceSpec(name=status.name, service="chat", engine="vllm", model="m", slo=SLO)
    return status, DesiredInstance(profile="p", revision=1, spec=spec)


def promised(*replicas: tuple[InstanceStatus, DesiredInstance]) -> Store:
    store = Store()
    for at, (status, owned) in enumerate(replicas):
        store.add_node(f"n{at}")
        store.receive(f"n{at}", replace(snapshot(status), desired=Desired(instances={status.name: owned})))
        store.link(f"n{at}", NodeState.UP)
    return store


def test_the_replica_that_burns_most_stands_for_the_service() -> None:
    """A twentieth may be slow: all of one replica's hundred is 20×, and no average hides it."""
    row = service_row(promised(promising(READY, 0, 1), promising(READY, 1, 100)), CHAT)
    found = cells(row)
    assert (found["worst"], found["burn_5m"], found["ready"]) == ("! 20.0×", "20.0×", "2/2")
    assert (found["where"], found["why"]) == ("n1 cpu", "TTFT p95 over 500 ms")
    assert row is not None
    assert row.is_problem


def test_what_is_down_outranks_every_number() -> None:
    down = service_row(promised(promising(FAILED, 0, 100)), CHAT)
    burns = service_row(promised(promising(READY, 0, 100)), CHAT)
    stalled = service_row(promised(promising(STALLED, 0, 0), promising(READY, 1, 100)), CHAT)
    calm = service_row(promised(promising(READY, 0, 1)), CHAT)
    order = [float(row.cells[2].sort or 0) for row in (down, stalled, burns, calm) if row is not None]
    assert order == sorted(order)
    assert len(set(order)) == 4


def test_within_its_objectives_a_service_is_calm() -> None:
    row = service_row(promised(promising(READY, 0, 1)), CHAT)
    assert (cells(row)["worst"], cells(row)["why"], cells(row)["where"]) == ("  0.2×", "", "n0")
    assert row is not None
    assert not row.is_problem


def test_without_traffic_nothing_burns() -> None:
    assert cells(service_row(promised(promising(READY, 0, 0, of=0)), CHAT))["worst"] == "  ready"


def test_a_canary_stands_in_where_the_engine_keeps_no_latencies() -> None:
    silent = EngineReading(at_unix_s=0, absent={"ttft": "this engine has no histogram"})
    asked = CanaryReading(at_unix_s=0, asked=3, failed=0, ttft_s=0.2, ttft_p50_s=0.2, ttft_p95_s=0.212)
    assert first_token(chat(0, READY, reading=silent)).text == "n/a"
    assert first_token(chat(0, READY, reading=silent, canary=asked)).text == "212 ms c"
    heard = EngineReading(at_unix_s=0, ttft=histogram(*[0] * 8, 0))
    assert first_token(chat(0, READY, reading=heard, canary=asked)).text == "–"


async def test_d_opens_a_service_and_asks_for_the_past_of_its_replicas_while_it_is_shown():
    app, _ = yard()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "j", "d")
        await pilot.pause()
        assert isinstance(app.screen, ServiceScreen)
        assert any("2 of 3 ready" in text for line in app.screen.query_one("#detail", Lines).lines for text, _ in line)
        opened = app.session.store.recorded.opened
        assert {key.name for key in opened} == {"llama-70b/0", "llama-70b/1", "llama-70b/2"}
        await pilot.press("escape")
        await pilot.pause()
        assert not +app.session.store.recorded.opened
