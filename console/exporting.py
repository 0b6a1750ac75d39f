"""One page of metrics for the fleet, over HTTP: what the store knows when somebody asks.

    Store ──fleet_metrics──► profiles.watching.metrics.page ◄── GET /metrics

No login, so it is for loopback unless somebody says otherwise. It answers GET and HEAD of /metrics and nothing else.
"""

import asyncio

from console.spending import of_instance, owner
from console.store import NodeState, NodeView, Store
from profiles.money.prices import Sheet
from profiles.watching.metrics import NodeMetrics, page
from profiles.watching.scraped import AT_ONCE, HEAD_LIMIT_S, HEAD_MAX_BYTES, answer


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

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_LIMIT_S), turns:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answer(head, lambda: fleet_page(store)))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asks for nothing gets nothing
        finally:
            writer.close()

    return await asyncio.start_server(serve, host, port, limit=HEAD_MAX_BYTES)
