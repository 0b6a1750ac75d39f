"""One page of metrics for the fleet, over HTTP: what the store knows when somebody asks.

    Store ──fleet_metrics──► profiles.watching.metrics.page ◄── GET /metrics

No login, so it is for loopback unless somebody says otherwise. It answers GET and HEAD of /metrics and nothing else.
"""

import asyncio
from collections.abc import Iterable

from console.spending import of_instance, owner
from console.store import NodeState, NodeView, Store
from profiles.money.prices import Sheet
from profiles.watching.exposition import CONTENT_TYPE
from profiles.watching.metrics import NodeMetrics, page

HEAD_LIMIT_S = 5.0
HEAD_MAX_BYTES = 8192
AT_ONCE = 16


def fleet_page(store: Store) -> str:
    """A node that has gone quiet by now is down, though nobody looked since."""
    store.age()
    return page(_metrics(store.sheet, view) for view in store.nodes.values())


def _metrics(sheet: Sheet, view: NodeView) -> NodeMetrics:
    if view.state is not NodeState.UP:
        return NodeMetrics(node=view.name, site=view.site, is_up=False)
    return NodeMetrics(
        node=view.name,
        site=view.site,
        is_up=True,
        status=view.observed(),
        owners={name: owner(view, status) for name, status in view.instances.items()},
        microusd_h={name: of_instance(sheet, view, status) for name, status in view.instances.items()},
    )


async def listen(store: Store, host: str, port: int) -> asyncio.Server:
    """Raises OSError where the address is taken or not ours."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_LIMIT_S), turns:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(store, head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks for nothing gets nothing
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port, limit=HEAD_MAX_BYTES)


def _response(store: Store, head: bytes) -> bytes:
    method, _, rest = head.split(b"\r\n", 1)[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _told("405 Method Not Allowed", ["Allow: GET, HEAD"], b"")
    if path != b"/metrics":
        return _told("404 Not Found", ["Content-Type: text/plain"], b"see /metrics\n")
    body = fleet_page(store).encode()
    answer = _told("200 OK", [f"Content-Type: {CONTENT_TYPE}"], body)
    return answer[: len(answer) - len(body)] if method == b"HEAD" else answer


def _told(status: str, headers: Iterable[str], body: bytes) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body
