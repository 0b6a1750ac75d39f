"""`gpuyard export`: a page for whoever asks over HTTP, and nothing for anybody else."""

import asyncio
from http.client import HTTPConnection

import pytest

from console.cli.export import address, is_loopback
from console.cli.output import CommandFailed
from console.exporting import fleet_page, listen
from console.store import NodeState, Store
from engines.prometheus import Page
from tests.fakes.fleet import filled

WANTED = ("gpuyard_node_up", "gpuyard_instance_ready", "gpuyard_instance_cost_dollars_per_hour", "gpuyard_gpu_up")


def read(store: Store) -> Page:
    return Page(fleet_page(store), WANTED)


def test_the_fleet_is_one_page_with_what_instances_cost() -> None:
    found = read(filled())
    assert found.by("gpuyard_node_up", "node") == {"fra-1": 1.0, "fra-2": 1.0, "ams-1": 1.0}
    costs = found.by("gpuyard_instance_cost_dollars_per_hour", "instance")
    assert costs is not None
    assert costs["llama-70b/0"] == pytest.approx(4 * 2.95)


@pytest.mark.parametrize("state", [NodeState.STALE, NodeState.UNREACHABLE, NodeState.REFUSED, NodeState.CONNECTING])
def test_a_node_that_is_not_up_leaves_only_that(state: NodeState) -> None:
    store = filled()
    store.link("fra-1", state)
    found = read(store)
    up, gpus = found.by("gpuyard_node_up", "node"), found.by("gpuyard_gpu_up", "node")
    assert up is not None and up["fra-1"] == 0.0  # noqa: PT018
    assert gpus is not None and set(gpus) == {"fra-2", "ams-1"}  # noqa: PT018


def asked(port: int, method: str, path: str) -> tuple[int, str, str | None]:
    """Status, body and type."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    told = connection.getresponse()
    return told.status, told.read().decode(), told.headers["Content-Type"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics", 200), ("GET", "/metrics?x=1", 200), ("HEAD", "/metrics", 200), ("GET", "/", 404),
     ("POST", "/metrics", 405)],
)  # fmt: skip
async def test_it_answers_one_path(method: str, path: str, status: int) -> None:
    async with await listen(filled(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told, body, kind = await asyncio.to_thread(asked, port, method, path)
    assert told == status
    assert ("gpuyard_node_up" in body) == (status == 200 and method == "GET")
    assert status != 200 or kind == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"GET", b"\x00" * 20_000, b"GET /metrics HTTP/1.1\r\n"])
async def test_garbage_ends_nobody_elses_page(sent: bytes) -> None:
    server = await listen(filled(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.close()
        told, _, _ = await asyncio.to_thread(asked, port, "GET", "/metrics")
    assert told == 200


def test_addresses() -> None:
    assert address("127.0.0.1:9400") == ("127.0.0.1", 9400)
    assert address("[::1]:0") == ("::1", 0)
    assert [is_loopback(host) for host in ("127.0.0.9", "::1", "localhost", "0.0.0.0", "yard")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    for bad in ("9400", ":9400", "here:", "here:99999", "here:x"):
        with pytest.raises(CommandFailed):
            address(bad)
