"""Alerts of a store: which signs it gives, who is quiet about them, whom a webhook tells, what screens show."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.wire import Delta
from console.alerting import Alerting
from console.app import Yard
from console.desktop import note
from console.screens.alerts import AlertsScreen
from console.screens.session import Session
from console.signs import signs
from console.silences import ACK_LASTS_S, QuietFile
from console.store import NodeState, Store
from console.webhook import NotSent, post
from console.widgets.lines import Lines
from profiles.observed.finding import Severity
from profiles.observed.gpus import Xid
from profiles.observed.status import GpuProcess, GpuState, Reason
from profiles.watching.alertrules import Webhook, load_rules
from profiles.watching.alerts import Ack, Alert, Silence, Stage
from tests.fakes.fleet import NOW_UNIX_S, Clock, FakeOperations, filled

ALERT = Alert(rule="burn", target="a:chat/0", text="burns", severity=Severity.PROBLEM, stage=Stage.FIRING,
              since_unix_s=1.0)  # fmt: skip


def found(store: Store) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for one in signs(store, load_rules(None).rules):
        told.setdefault(one.rule, set()).add(one.target)
    return told


def test_the_signs_of_a_fleet() -> None:
    store = filled()
    before = found(store)
    assert before["burn"] == {"fra-1:llama-70b/0"}
    assert before["crash_loop"] == {"fra-2:rerank/0"}
    assert before["down"] == {"chat-prod:rerank"}
    assert "gpu_lost" not in before
    gpu = store.nodes["fra-1"].gpus["GPU-fra-1-0"]
    lost = replace(store.nodes["fra-1"].gpus["GPU-fra-1-1"], state=GpuState.LOST)
    hidden = (gpu.memory_used_mib or 0) + 5000
    sick = replace(gpu, xids=(Xid(number=48, at_unix_s=NOW_UNIX_S, count=1),), memory_used_mib=hidden)
    store.receive("fra-1", Delta(at_unix_s=store.wall(), gpus=(sick, lost)))
    store.link("ams-1", NodeState.REFUSED, Reason("auth", "no key fits"))
    after = found(store)
    assert after["xid"] == {"fra-1/0 48"}
    assert after["gpu_lost"] == {"fra-1/1"}
    assert after["unattributed"] == {"fra-1/0"}
    assert after["node_stale"] == {"ams-1"}


def test_a_stranger_is_held_against_since_its_node_saw_it() -> None:
    store = filled()
    gpu = store.nodes["fra-2"].gpus["GPU-fra-2-5"]
    ours = GpuProcess(pid=1, name="vllm", instance="qwen3-32b/0")
    store.receive("fra-2", Delta(at_unix_s=store.wall(), gpus=(replace(gpu, processes=(*gpu.processes, ours)),)))
    (one,) = [sign for sign in signs(store, load_rules(None).rules) if sign.rule == "contention"]
    assert (one.target, one.since_unix_s) == ("fra-2/5", NOW_UNIX_S - 90)


def test_an_acknowledgement_is_shared_by_consoles_and_ends_with_its_alert(tmp_path: Path) -> None:
    clock, file = Clock(), QuietFile(tmp_path / "state" / "alerts.json")
    store = filled(clock)
    one = Alerting(store, load_rules(None), file)
    (crash,) = [alert for alert in one.look() if alert.rule == "crash_loop"]
    QuietFile(tmp_path / "state" / "alerts.json").acknowledge(
        Ack(rule=crash.rule, target=crash.target, author="ana", at_unix_s=store.wall())
    )
    assert crash not in Alerting(store, load_rules(None), file).look()
    one.look()
    assert one.word(crash) == "ana has it"
    assert not one.calls(crash)
    store.receive("fra-2", Delta(at_unix_s=store.wall(), instances_gone=("rerank/0",)))
    one.look()
    clock.passed_s += 61
    assert crash.key in [alert.key for alert in one.look() if alert.stage is Stage.RESOLVED]
    assert file.read().acks == ()


def test_a_silence_ends_by_itself_and_an_acknowledgement_after_a_day(tmp_path: Path) -> None:
    file = QuietFile(tmp_path / "alerts.json")
    file.acknowledge(Ack(rule="burn", target="x", author="ana", at_unix_s=100.0))
    file.silence(Silence(rule="*", target="*", until_unix_s=400.0, author="ana"), 100.0)
    assert len(file.read().at(399.0).silences) == 1
    assert not file.read().at(400.0).silences
    assert not file.read().at(100.0 + ACK_LASTS_S).acks
    assert (tmp_path / "alerts.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_read_silences_nobody(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text("{")
    assert QuietFile(tmp_path / "alerts.json").read().acks == ()


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes alerts at /, sends them elsewhere at /moved."""

    taken: list[tuple[str, str, object]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append((self.path, self.headers.get("Authorization", ""), body))
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def taker() -> Iterator[str]:
    Taker.taken = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_webhook_takes_an_alert_with_a_secret_that_only_a_file_knows(taker: str, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("s3cret\n")
    (tmp_path / "hook").chmod(0o600)
    await post(Webhook(url=f"{taker}/", secret="hook"), ALERT, tmp_path)
    [(path, authorization, body)] = Taker.taken
    assert (path, authorization) == ("/", "Bearer s3cret")
    assert isinstance(body, dict)
    assert body["item"]["rule"] == "burn"


async def test_no_redirect_is_followed_and_nothing_is_sent_with_a_secret_others_can_read(
    taker: str, tmp_path: Path
) -> None:
    with pytest.raises(NotSent, match="302"):
        await post(Webhook(url=f"{taker}/moved"), ALERT, tmp_path)
    assert [path for path, *_ in Taker.taken] == ["/moved"]
    (tmp_path / "hook").write_text("s3cret\n")
    (tmp_path / "hook").chmod(0o644)
    with pytest.raises(NotSent, match="read by others"):
        await post(Webhook(url=f"{taker}/", secret="hook"), ALERT, tmp_path)
    assert len(Taker.taken) == 1


async def test_an_address_that_nobody_listens_at_is_said(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(NotSent, match="did not take an alert"):
        await post(Webhook(url=f"http://127.0.0.1:{port}/"), ALERT, tmp_path)


@pytest.mark.parametrize(("environ", "sent"), [
    ({"TERM": "xterm-256color"}, ""),
    ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "\x1b]9;gpuyard: a, b\x07"),
    ({"TERM": "foot"}, "\x1b]777;notify;gpuyard;a, b\x07"),
    ({"TERM": "tmux-256color", "TERM_PROGRAM": "WezTerm"}, ""),
])  # fmt: skip
def test_a_note_is_only_for_terminals_that_have_them_and_holds_no_other_sequence(
    environ: dict[str, str], sent: str
) -> None:
    assert note(environ, "gpuyard", "a; b") == sent
    assert note(environ, "gpuyard", "a\x1b]52;c;eA==\x07").count("\x1b") == sent.count("\x1b")


async def test_from_pulse_to_the_alerts_and_one_is_taken_in_hand(tmp_path: Path) -> None:
    store = filled()
    alerting = Alerting(store, load_rules(None), QuietFile(tmp_path / "alerts.json"))
    app = Yard(Session("prod", store, operations=FakeOperations(store), alerting=alerting))
    async with app.run_test(size=(120, 40)) as pilot:
        app.call()
        app.screen.tick()  # type: ignore[attr-defined]
        await pilot.pause()
        lines = app.screen.query_one("#alerts", Lines).lines
        calling = int("".join(text for text, _ in lines[0]).split()[1])
        assert calling >= 2
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, AlertsScreen)
        cursor = app.screen.table().cursor
        assert cursor is not None
        await pilot.press("h")
        await pilot.pause()
        row = app.screen.table().order.rows[cursor]
        assert row.cells[-1].text.endswith("has it")
        await pilot.press("escape")
        await pilot.pause()
        lines = app.screen.query_one("#alerts", Lines).lines
        assert "".join(text for text, _ in lines[0]).startswith(f" Alerts {calling - 1} ")
